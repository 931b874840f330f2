"""What host names mean in this cluster: the lines of a pod's /etc/hosts, and `resolve` for triggers. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from tidegate.local.nodes.network.forwards import is_address
from tidegate.local.nodes.network.names import CLUSTER_DOMAIN, HOST_NAME, Named

LOOPBACK = "127.0.0.1"
IN_TEXT = re.compile(r"\b([a-z][a-z0-9-]*)\.([a-z0-9][a-z0-9-]*)\.svc(\.cluster\.local)?\b")


def forms(name: str, namespace: str, of: str) -> list[str]:
    """The names under which a pod of namespace `of` knows a Service."""
    full = [f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.{CLUSTER_DOMAIN}"]
    return [name, *full] if namespace == of else full


def hosts_file(
    own: Sequence[tuple[str, str]], namespace: str, services: Iterable[Named], machine_lines: str = ""
) -> str:
    """The text of /etc/hosts: the pod's own (address, names), the cluster's Services, the machine's lines."""
    lines = ["# Written by tidegate; changes are lost.", "127.0.0.1\tlocalhost", "::1\tlocalhost"]
    lines += [f"{address}\t{names}" for address, names in own]
    for service in services:
        names = " ".join(forms(service.name, service.namespace, namespace))
        lines += [f"{address}\t{names}" for address in service.addresses]
        for host, address in service.hosts.items():
            lines.append(
                f"{address}\t{' '.join(forms(f'{host}.{service.name}', service.namespace, namespace))}"
            )
    lines += [line for line in machine_lines.splitlines() if line.strip() and "localhost" not in line]
    return "\n".join(lines) + "\n"


def find(host: str, namespace: str, services: Mapping[tuple[str, str], Named]) -> str | None:
    """The address (or external name) for a Service's name, None when it is none."""
    bare = host.rstrip(".").lower()
    for suffix in (f".{CLUSTER_DOMAIN}", ".svc"):
        if bare.endswith(suffix):
            bare = bare.removesuffix(suffix)
            break
    parts = bare.split(".")
    if len(parts) > 3:
        return None
    if len(parts) == 3:
        service = services.get((parts[2], parts[1]))
        return service.hosts.get(parts[0]) if service else None
    service = services.get((parts[1] if len(parts) == 2 else namespace, parts[0]))
    if service is None:
        return None
    return service.external_name or (service.addresses[0] if service.addresses else None)


def from_machine(
    host: str, namespace: str, services: Mapping[tuple[str, str], Named], way_to: Callable[[str], str]
) -> str:
    """Where programs of this machine reach what pods call `host`; names that mean nothing here stay.

    `way_to` is the machine's own address for one of the cluster's.
    """
    found = find(host, namespace, services)
    name = host if found is None else found
    if name.rstrip(".").lower() == HOST_NAME:
        return LOOPBACK
    return way_to(name) if is_address(name) else name


def replace_names(text: str, services: Mapping[tuple[str, str], Named]) -> str:
    """`text` with `<service>.<namespace>.svc…` as addresses, for machines without private mounts."""

    def address(match: re.Match[str]) -> str:
        return find(match[0], "", services) or match[0]

    return IN_TEXT.sub(address, text)
