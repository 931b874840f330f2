"""The router's rules as text for `nft -f`: where connections to Services go. Pure.

Elements of maps, not chains: a Service costs one element for each of its ports and one for each backend
of a port, and a chain stands for each *number* of backends that some Service has, not for each Service.
A packet is looked up twice, however many Services there are.

    services   address . protocol . port           → the chain for that number of backends
    backends   address . protocol . port . mark    → the backend: mark is its turn, or with affinity its name
    turns      address . protocol . port . mark    → with affinity: the name of the backend whose turn it is
    clients    client . address . protocol . port  → with affinity: the name of the backend it had last

An element of `clients` whose backend is gone finds nothing in `backends`; the next rule chooses anew.

`ruleset` replaces the whole table in one transaction. `transactions` changes only what differs, so that
clients keep their backends and a rollout among thousands of Services costs a few elements. What the kernel
knows of connections that are open stays in both: TCP ends with the pod, UDP is forgotten by `conntrack`.

What the router itself sends is translated too; it needs some route to the range of Services for that.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from tidegate.local.nodes.network.forwards import Address, Forward, Key

TABLE = "ip tidegate"
# An ordinary user may not have more than net.core.wmem_max under way to the kernel, some 200 KiB by
# default, and a transaction goes in one piece.
PIECE = 1_000
# More clients than this with an affinity: the newest are sent anywhere, as if it were their first time.
CLIENTS = 262_144
LONGEST_S = 86_400

_MAPS = f"""
\tmap services {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
\tmap backends {{ type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service; }}
\tmap turns {{ type ipv4_addr . inet_proto . inet_service . mark : mark; }}
\tmap clients {{
\t\ttype ipv4_addr . ipv4_addr . inet_proto . inet_service : mark
\t\tsize {CLIENTS}
\t\tflags dynamic,timeout
\t\ttimeout {LONGEST_S}s
\t}}
\tset mirrored {{ type ipv4_addr . ipv4_addr; }}
"""
_DOOR = "ip daddr . ip protocol . th dport"
_CLIENT = f"ip saddr . {_DOOR}"
_SEND = f"dnat ip to {_DOOR} . meta mark map @backends"

Elements = dict[str, dict[str, str]]
"""By map or set: each key with its value, "" in a set."""


@dataclass(frozen=True)
class Rules:
    """All that the router forwards. `services` is the range that is refused where nothing else is said.

    `own` are addresses in it that the router itself answers (the resolver's); `gateway` is the router's
    address as pods know it.
    """

    services: IPv4Network
    gateway: IPv4Address
    own: tuple[IPv4Address, ...] = ()
    forwards: Mapping[Key, Forward] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        services: IPv4Network,
        gateway: IPv4Address,
        own: Iterable[IPv4Address],
        forwards: Iterable[Forward],
    ) -> Rules:
        """The first of several forwards for one door speaks."""
        doors: dict[Key, Forward] = {}
        for one in forwards:
            doors.setdefault(one.key, one)
        return cls(services, gateway, tuple(own), doors)

    @cached_property
    def chains(self) -> frozenset[tuple[int, int]]:
        """(number of backends, seconds of affinity) that some Service needs a chain for."""
        return frozenset(
            (len(one.backends), one.affinity_s) for one in self.forwards.values() if one.backends
        )

    @cached_property
    def mirrored(self) -> frozenset[str]:
        """Backends that may reach themselves through their Service."""
        return frozenset(address for one in self.forwards.values() for address, _ in one.backends)

    @property
    def ground(self) -> tuple[IPv4Network, IPv4Address, tuple[IPv4Address, ...]]:
        """What stands in rules, not in elements."""
        return self.services, self.gateway, self.own


def ruleset(rules: Rules) -> str:
    """The text that replaces the table, whatever it held, in one transaction."""
    elements: Elements = {"services": {}, "backends": {}, "turns": {}, "mirrored": {}}
    for one in rules.forwards.values():
        _add(elements, elements_of(one))
    _add(elements, _mirrored(rules.mirrored))
    return "".join((_frame(rules), *_listed("add", elements)))


def transactions(before: Rules | None, after: Rules) -> tuple[str, ...]:
    """The texts that lead from one to the other, one after the other; none when nothing differs.

    From None, or where the addresses themselves have changed, everything is replaced: in one piece while
    it is small enough for an ordinary user, else the empty table first, which refuses what is not there
    yet. A Service's own change is always in one piece.
    """
    texts: list[str] = []
    if before is None or before.ground != after.ground:
        before = Rules(*after.ground)
        texts.append(_frame(before))
    mirrored = after.mirrored - before.mirrored, before.mirrored - after.mirrored
    changed = _changed(before.forwards, after.forwards)
    pieces = list(_pieces(changed, mirrored))
    if pieces:
        pieces[0] = "".join(_chain(*one) for one in sorted(after.chains - before.chains)) + pieces[0]
        gone = sorted(before.chains - after.chains)
        pieces[-1] += "".join(f"delete chain {TABLE} {_chain_name(*one)}\n" for one in gone)
    if texts and len(pieces) == 1:
        return (texts[0] + pieces[0],)
    return (*texts, *pieces)


def _changed(
    before: Mapping[Key, Forward], after: Mapping[Key, Forward]
) -> list[tuple[Forward | None, Forward | None]]:
    keys = sorted(before.keys() | after.keys())
    return [(before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def _pieces(
    changed: Iterable[tuple[Forward | None, Forward | None]],
    mirrored: tuple[frozenset[str], frozenset[str]],
) -> Iterator[str]:
    """Transactions of up to PIECE elements, or of one Service with more."""
    gone: Elements = {}
    new: Elements = {}
    count = 0
    for old, now in changed:
        removed, added = elements_of(old), elements_of(now)
        size = sum(len(part) for change in (removed, added) for part in change.values())
        if count and count + size > PIECE:
            yield _piece(gone, new)
            gone, new, count = {}, {}, 0
        _add(gone, removed)
        _add(new, added)
        count += size
    # A backend is mirrored before or after it is one: until then it only does not reach itself.
    for which, names in zip((new, gone), mirrored, strict=True):
        for name in sorted(names):
            if count >= PIECE:
                yield _piece(gone, new)
                gone.clear()
                new.clear()
                count = 0
            _add(which, _mirrored([name]))
            count += 1
    if count:
        yield _piece(gone, new)


def _piece(gone: Elements, new: Elements) -> str:
    """Elements that only stay are not touched."""
    same = {
        name: {key for key, value in part.items() if new.get(name, {}).get(key) == value}
        for name, part in gone.items()
    }
    left, come = (
        {
            name: {key: value for key, value in part.items() if key not in same.get(name, ())}
            for name, part in of.items()
        }
        for of in (gone, new)
    )
    return "".join((*_listed("delete", left), *_listed("add", come)))


def _frame(rules: Rules) -> str:
    """The table with its chains and no elements. Named first: a table that is not there cannot be deleted."""
    service_range, gateway = rules.services, rules.gateway
    own = "".join(f"\t\tip daddr {address} accept\n" for address in rules.own)
    refuse = (
        f"{own}\t\tip daddr {service_range} meta l4proto tcp reject with tcp reset\n"
        f"\t\tip daddr {service_range} reject with icmp type port-unreachable\n"
    )
    return (
        f"add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{{_MAPS}"
        "\tchain prerouting {\n\t\ttype nat hook prerouting priority -100; policy accept;\n"
        f"\t\t{_DOOR} vmap @services\n\t}}\n"
        "\tchain output {\n\t\ttype nat hook output priority -100; policy accept;\n"
        f"\t\t{_DOOR} vmap @services\n\t}}\n"
        # Answers of a pod to itself must come back through the router to be given the Service's address.
        "\tchain postrouting {\n\t\ttype nat hook postrouting priority 100; policy accept;\n"
        f"\t\tct status dnat ip saddr . ip daddr @mirrored snat ip to {gateway}\n\t}}\n"
        # After the translation: what is for a Service still has no backend.
        "\tchain refuse_forwarded {\n\t\ttype filter hook prerouting priority -90; policy accept;\n"
        f"{refuse}\t}}\n"
        "\tchain refuse_own {\n\t\ttype filter hook output priority -90; policy accept;\n"
        f"{refuse}\t}}\n"
        "}\n" + "".join(_chain(*one) for one in sorted(rules.chains))
    )


def _chain(count: int, affinity_s: int) -> str:
    """The chain for Services with so many backends; `numgen` chooses evenly."""
    choice = f"numgen random mod {count}" if count > 1 else "0"
    if not affinity_s:
        rules = [f"meta mark set {choice}", _SEND]
    else:
        keep = f"update @clients {{ {_CLIENT} timeout {affinity_s}s : meta mark }}"
        rules = [
            f"meta mark set {_CLIENT} map @clients",
            f"meta mark != 0 {keep}",
            f"meta mark != 0 {_SEND}",
            # Its backend is gone. An update would renew its time and leave the old name in it.
            f"delete @clients {{ {_CLIENT} : meta mark }}",
            f"meta mark set {choice}",
            f"meta mark set {_DOOR} . meta mark map @turns",
            keep,
            _SEND,
        ]
    lines = "".join(f"\t\t{rule}\n" for rule in rules)
    return f"table {TABLE} {{\n\tchain {_chain_name(count, affinity_s)} {{\n{lines}\t}}\n}}\n"


def _chain_name(count: int, affinity_s: int) -> str:
    return f"to_{count}" + (f"_kept_{affinity_s}s" if affinity_s else "")


def elements_of(forward: Forward | None) -> Elements:
    """A door's elements; none without backends, which is what refuses it."""
    if forward is None or not forward.backends:
        return {}
    door = f"{forward.address} . {forward.protocol.lower()} . {forward.port}"
    chain = _chain_name(len(forward.backends), forward.affinity_s)
    turns: dict[str, str] = {}
    names: Iterable[int] = range(len(forward.backends))
    if forward.affinity_s:
        names = _names(forward.backends)
        turns = {f"{door} . {turn}": str(name) for turn, name in enumerate(names)}
    backends = {
        f"{door} . {name}": f"{address} . {port}"
        for name, (address, port) in zip(names, forward.backends, strict=True)
    }
    return {"services": {door: f"goto {chain}"}, "backends": backends, "turns": turns}


def _names(backends: tuple[Address, ...]) -> list[int]:
    """A number for each backend, never 0, that does not change while others come and go."""
    names: list[int] = []
    for address, port in backends:
        name = zlib.crc32(f"{address}:{port}".encode()) or 1
        while name in names:
            name = name % (2**32 - 1) + 1
        names.append(name)
    return names


def _mirrored(addresses: Iterable[str]) -> Elements:
    return {"mirrored": {f"{address} . {address}": "" for address in sorted(addresses)}}


def _add(to: Elements, more: Elements) -> None:
    for name, part in more.items():
        to.setdefault(name, {}).update(part)


def _listed(verb: str, elements: Elements) -> Iterator[str]:
    for name, part in elements.items():
        if part:
            lines = ",\n".join(f"\t{key} : {value}" if value else f"\t{key}" for key, value in part.items())
            yield f"{verb} element {TABLE} {name} {{\n{lines}\n}}\n"
