"""The files by which programs of a pod look up names: hosts; with a network of its own, resolv.conf too."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.network.host_names import hosts_file
from tidegate.local.nodes.network.names import HOST_NAME
from tidegate.local.nodes.network.resolv_conf import ResolvConf, hosts_of_pod, of_pod
from tidegate.local.nodes.places.pod_place import has_network
from tidegate.local.nodes.processes.instance import Bind
from tidegate.local.nodes.processes.pod_naming import pod_names

HOSTS, RESOLV_CONF, NSSWITCH = Path("/etc/hosts"), Path("/etc/resolv.conf"), Path("/etc/nsswitch.conf")
_HOSTS_LINE = re.compile(r"^hosts:.*$", re.MULTILINE)


def name_files(context: NodeContext, pod: Mapping[str, Any]) -> list[Bind]:
    """What is mounted over the machine's files; written anew."""
    files = {HOSTS: _hosts(context, pod)}
    ranges = context.network.ranges
    if ranges is not None and has_network(context, pod):
        machine = ResolvConf.of(_read(RESOLV_CONF))
        files[RESOLV_CONF] = of_pod(pod, str(ranges.dns), machine).text()
        if NSSWITCH.exists():
            # The machine's may ask a service of the machine's that knows nothing of the cluster.
            files[NSSWITCH] = _HOSTS_LINE.sub("hosts: files dns", _read(NSSWITCH))
    folder = context.pod_folder(pod["metadata"]["uid"])
    return [Bind(str(_write(folder / f".{place.name}", text)), str(place)) for place, text in files.items()]


def write_hosts(context: NodeContext, pod: Mapping[str, Any]) -> None:
    """Brings the hosts of a pod that runs to what the cluster's names are now."""
    _write(context.pod_folder(pod["metadata"]["uid"]) / f".{HOSTS.name}", _hosts(context, pod))


def _hosts(context: NodeContext, pod: Mapping[str, Any]) -> str:
    spec, metadata = pod["spec"], pod["metadata"]
    address = pod["status"]["podIP"]
    if has_network(context, pod):
        others = [f"{context.network.host}\t{HOST_NAME}", *_far_lines(_read(HOSTS))]
        return hosts_of_pod(pod, address) + "".join(f"{line}\n" for line in others)
    own = [(address, pod_names(pod).line), (context.network.host, HOST_NAME)]
    own += [(alias["ip"], " ".join(alias.get("hostnames") or [])) for alias in spec.get("hostAliases") or []]
    services = sorted(context.services.values(), key=lambda service: (service.namespace, service.name))
    return hosts_file(own, metadata["namespace"], services, _read(HOSTS))


def _far_lines(text: str) -> list[str]:
    """The machine's names for others. Its loopback is not the pod's."""
    found = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        try:
            if len(words) > 1 and not ip_address(words[0]).is_loopback and ip_address(words[0]).version == 4:
                found.append(line)
        except ValueError:
            continue
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""


def _write(file: Path, text: str) -> Path:
    """Rewritten in place: a new file would not be the one that is bound."""
    content = text.encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if os.pread(descriptor, len(content) + 1, 0) != content:
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)
    return file
