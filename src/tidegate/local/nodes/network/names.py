"""The names of the cluster as values: what a Service is called, and what a question of DNS comes to. Pure.

The control plane writes them into a file, the resolver in the router reads it: `to_json`, `from_json`.
Source of the rules: https://github.com/kubernetes/dns/blob/master/docs/specification.md
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tidegate.local.nodes.network.forwards import addresses_of, is_address

DOMAIN = "cluster.local"
CLUSTER_DOMAIN = f"svc.{DOMAIN}"
OWN_DOMAIN = "tidegate.internal"
HOST_NAME = f"host.{OWN_DOMAIN}"
REVERSE = "in-addr.arpa"
LONGEST_CHAIN = 8
Port = tuple[str, str, int]
"""Name, protocol in lower case, number."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of the pods behind a headless Service: its address, and its name there ("" without one)."""

    address: str
    host: str = ""
    ports: tuple[Port, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        dashed = self.address.replace(".", "-")
        return (self.host, dashed) if self.host else (dashed,)


@dataclass(frozen=True, slots=True)
class Named:
    """A Service: its own address, or another's name, or, when it is headless, its members."""

    namespace: str
    name: str
    address: str = ""
    external_name: str = ""
    ports: tuple[Port, ...] = ()
    members: tuple[Member, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address,) if self.address else tuple(dict.fromkeys(one.address for one in self.members))

    @property
    def hosts(self) -> dict[str, str]:
        """The members that have names."""
        return {one.host: one.address for one in self.members if one.host}

    @property
    def full_name(self) -> str:
        return f"{self.name}.{self.namespace}.{CLUSTER_DOMAIN}"


def named(service: Mapping[str, Any], slices: Sequence[Mapping[str, Any]]) -> Named:
    """What a Service is called, and whom a headless one's name means."""
    metadata, spec = service["metadata"], service["spec"]
    namespace, name = metadata["namespace"], metadata["name"]
    if spec.get("type") == "ExternalName":
        return Named(namespace, name, external_name=(spec.get("externalName") or "").rstrip(".").lower())
    address = spec.get("clusterIP") or ""
    if is_address(address):
        ports = (_port(one, one.get("port")) for one in spec.get("ports") or ())
        return Named(namespace, name, address, ports=tuple(ports))
    return Named(namespace, name, members=tuple(_members(slices)) if address == "None" else ())


def _members(slices: Sequence[Mapping[str, Any]]) -> Iterator[Member]:
    found: dict[tuple[str, str], Member] = {}
    for one in slices:
        if one.get("addressType") != "IPv4":
            continue
        ports = tuple(_port(port, port["port"]) for port in one.get("ports") or () if port.get("port"))
        for endpoint in one.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            target = endpoint.get("targetRef") or {}
            host = endpoint.get("hostname") or (target.get("name") if target.get("kind") == "Pod" else "")
            for address in addresses_of(endpoint):
                known = found.get((address, host or ""), Member(address, host or ""))
                found[address, host or ""] = Member(address, host or "", (*known.ports, *ports))
    yield from sorted(found.values(), key=lambda one: (one.host, one.address))


def _port(port: Mapping[str, Any], number: Any) -> Port:
    return port.get("name") or "", (port.get("protocol") or "TCP").lower(), int(number or 0)


@dataclass(frozen=True, slots=True)
class Record:
    """`value` as zone files write it, names with their dot."""

    name: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_known` False: there is no such name. `elsewhere` is a name outside to be asked for the rest."""

    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    is_known: bool = True
    elsewhere: str = ""


UNKNOWN = Answer(is_known=False)
EMPTY = Answer()


@dataclass(frozen=True)
class Names:
    """All names of one cluster. `host` is the address under which pods reach this machine, `block` the
    network whose addresses only we have names for; both may be "".
    """

    services: tuple[Named, ...] = ()
    host: str = ""
    block: str = ""

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Named]:
        return {(one.namespace, one.name): one for one in self.services}

    @cached_property
    def namespaces(self) -> frozenset[str]:
        return frozenset(one.namespace for one in self.services)

    @cached_property
    def by_address(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for service in self.services:
            if service.address:
                found[service.address] = (*found.get(service.address, ()), service.full_name)
            for member in service.members:
                name = f"{member.hosts[0]}.{service.full_name}"
                found[member.address] = (*found.get(member.address, ()), name)
        return found

    def answer(self, name: str, kind: str) -> Answer | None:
        """What `name` (in any case, with or without its dot) comes to; None when it is not ours to say."""
        bare = name.rstrip(".").lower()
        if bare == OWN_DOMAIN or bare.endswith(f".{OWN_DOMAIN}"):
            return self._own(bare, kind)
        if bare.endswith(f".{REVERSE}"):
            return self._reverse(bare, kind)
        if bare == DOMAIN or bare.endswith(f".{DOMAIN}"):
            return self._chain(bare, kind)
        return None

    def _own(self, name: str, kind: str) -> Answer:
        if name == OWN_DOMAIN:
            return EMPTY
        if name != HOST_NAME or not self.host:
            return UNKNOWN
        return Answer(tuple(_addresses(name, [self.host]))) if kind == "A" else EMPTY

    def _reverse(self, name: str, kind: str) -> Answer | None:
        address = ".".join(reversed(name.removesuffix(f".{REVERSE}").split(".")))
        if not is_address(address):
            return None
        names = self.by_address.get(address)
        if names is None:
            is_inside = self.block and ipaddress.ip_address(address) in ipaddress.ip_network(self.block)
            return UNKNOWN if is_inside else None
        return Answer(tuple(Record(name, "PTR", f"{one}.") for one in names)) if kind == "PTR" else EMPTY

    def _chain(self, name: str, kind: str) -> Answer:
        """Follows the names that Services of type ExternalName stand for, as far as they are ours."""
        records: list[Record] = []
        while len(records) < LONGEST_CHAIN:
            found = self._look(name, kind)
            if not found.elsewhere:
                return Answer((*records, *found.records), found.additional, found.is_known or bool(records))
            records += found.records
            name = found.elsewhere
            if kind == "CNAME":
                break
            if name == HOST_NAME:
                return Answer((*records, *self._own(name, kind).records))
            if not (name == DOMAIN or name.endswith(f".{DOMAIN}")):
                return Answer(tuple(records), elsewhere=name)
        return Answer(tuple(records))

    def _look(self, name: str, kind: str) -> Answer:
        if name in (DOMAIN, CLUSTER_DOMAIN):
            return EMPTY
        if not name.endswith(f".{CLUSTER_DOMAIN}"):
            return UNKNOWN
        *front, namespace = name.removesuffix(f".{CLUSTER_DOMAIN}").split(".")
        if not front:
            return EMPTY if namespace in self.namespaces else UNKNOWN
        service = self.by_name.get((namespace, front.pop()))
        if service is None:
            return UNKNOWN
        if service.external_name:
            record = Record(name, "CNAME", f"{service.external_name}.")
            return UNKNOWN if front else Answer((record,), elsewhere=service.external_name)
        if not front:
            return self._of_service(name, service, kind)
        if len(front) == 1 and not front[0].startswith("_"):
            at = [one.address for one in service.members if front[0] in one.hosts]
            return _answer(_addresses(name, at), kind, "A") if at else UNKNOWN
        return self._of_port(name, service, front, kind)

    def _of_service(self, name: str, service: Named, kind: str) -> Answer:
        if not service.addresses:
            return UNKNOWN
        if kind == "SRV":
            return _served(name, service, lambda _: True)
        return _answer(_addresses(name, service.addresses), kind, "A")

    def _of_port(self, name: str, service: Named, front: list[str], kind: str) -> Answer:
        """`_<port>._<protocol>`, and its end `_<protocol>`."""
        if not all(part.startswith("_") for part in front) or len(front) > 2:
            return UNKNOWN
        wanted = [part[1:] for part in front]

        def is_meant(port: Port) -> bool:
            return [port[0], port[1]] == wanted if len(wanted) == 2 else port[1] == wanted[0]

        found = _served(name, service, is_meant)
        if not found.records:
            return UNKNOWN
        return found if kind == "SRV" and len(front) == 2 else EMPTY


def _served(name: str, service: Named, is_meant: Any) -> Answer:
    """SRV records, and the addresses of their targets."""
    if service.address:
        pairs = [(service.full_name, service.address, port) for port in service.ports if is_meant(port)]
    else:
        pairs = [
            (f"{member.hosts[0]}.{service.full_name}", member.address, port)
            for member in service.members
            for port in member.ports
            if is_meant(port)
        ]
    weight = max(1, 100 // len(pairs)) if pairs else 0
    targets = dict.fromkeys((target, address) for target, address, _ in pairs)
    return Answer(
        tuple(Record(name, "SRV", f"0 {weight} {port[2]} {target}.") for target, _, port in pairs),
        tuple(Record(target, "A", address) for target, address in targets),
    )


def _addresses(name: str, addresses: Iterable[str]) -> Iterator[Record]:
    for address in addresses:
        yield Record(name, "A", address)


def _answer(records: Iterable[Record], kind: str, offered: str) -> Answer:
    return Answer(tuple(records)) if kind == offered else EMPTY


def to_json(names: Names) -> bytes:
    """For the file from which the resolver reads them."""
    return json.dumps(to_object(names), separators=(",", ":")).encode()


def to_object(names: Names) -> dict[str, Any]:
    """What `from_json` reads, as a JSON object."""
    listed = [
        [
            one.namespace,
            one.name,
            one.address,
            one.external_name,
            one.ports,
            [[member.address, member.host, member.ports] for member in one.members],
        ]
        for one in names.services
    ]
    return {"host": names.host, "block": names.block, "services": listed}


def for_machine(services: Iterable[Named], way_to: Callable[[str], str], host: str) -> Names:
    """The names for programs of this machine: with the addresses by which they reach the cluster."""
    return Names(
        tuple(
            replace(
                one,
                address=one.address and way_to(one.address),
                members=tuple(replace(member, address=way_to(member.address)) for member in one.members),
            )
            for one in services
        ),
        host,
    )


def from_json(text: bytes) -> Names:
    """What `to_json` wrote; ValueError when it is anything else."""
    try:
        whole = json.loads(text)
        services = tuple(_read(*one) for one in whole["services"])
        return Names(services, str(whole["host"]), str(whole["block"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not the names of a cluster: {error}") from error


def _read(
    namespace: str, name: str, address: str, external_name: str, *lists: Sequence[Sequence[Any]]
) -> Named:
    ports, members = lists
    return Named(
        namespace,
        name,
        address,
        external_name,
        tuple(_read_port(*one) for one in ports),
        tuple(Member(at, host, tuple(_read_port(*one) for one in of)) for at, host, of in members),
    )


def _read_port(name: str, protocol: str, number: int) -> Port:
    return name, protocol, int(number)
