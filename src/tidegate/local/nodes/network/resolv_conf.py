"""The text of resolv.conf: what the machine's says, and what a pod's shall say by its `dnsPolicy`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.local.nodes.network.names import CLUSTER_DOMAIN, DOMAIN
from tidegate.local.nodes.processes.pod_naming import pod_names

# What resolvers take note of, and a kubelet writes.
MOST_SERVERS = 3
MOST_SEARCHES = 32
LONGEST_SEARCH = 2048
NDOTS = "ndots:5"


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """Name servers, search list and options, in their order."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, text: str) -> ResolvConf:
        """What a resolver takes from the file; the last `search` or `domain` line counts."""
        servers: list[str] = []
        search: tuple[str, ...] = ()
        options: list[str] = []
        for line in text.splitlines():
            word, *rest = line.split() or [""]
            if word == "nameserver" and rest:
                servers.append(rest[0])
            elif word in ("search", "domain"):
                search = tuple(one.rstrip(".") or "." for one in (rest if word == "search" else rest[:1]))
            elif word == "options":
                options += rest
        return cls(tuple(servers), search, tuple(options))

    def text(self) -> str:
        lines = [f"nameserver {one}" for one in self.servers]
        if self.search:
            lines.append(f"search {' '.join(self.search)}")
        if self.options:
            lines.append(f"options {' '.join(self.options)}")
        return "".join(f"{line}\n" for line in lines)


def of_pod(pod: Mapping[str, Any], dns: str, machine: ResolvConf) -> ResolvConf:
    """A pod's, whose cluster has its resolver at `dns`. `Default` is the machine's search list with our
    resolver in front of its name servers: those may listen where only the machine reaches them.
    """
    spec = pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    if policy == "None":
        base = ResolvConf()
    elif policy == "Default":
        base = ResolvConf((dns,), machine.search, machine.options)
    else:
        namespace = pod["metadata"]["namespace"]
        own = (f"{namespace}.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN, DOMAIN)
        base = ResolvConf((dns,), (*own, *machine.search), (NDOTS,))
    return _with(base, spec.get("dnsConfig") or {})


def _with(base: ResolvConf, config: Mapping[str, Any]) -> ResolvConf:
    """What a pod asks for comes behind what it is given; its options win."""
    options = {one.partition(":")[0]: one for one in base.options}
    for option in config.get("options") or ():
        value = option.get("value")
        options[option["name"]] = option["name"] if value in (None, "") else f"{option['name']}:{value}"
    servers = dict.fromkeys((*base.servers, *(config.get("nameservers") or ())))
    searches = dict.fromkeys((*base.search, *(config.get("searches") or ())))
    return ResolvConf(tuple(servers)[:MOST_SERVERS], _fitting(tuple(searches)), tuple(options.values()))


def _fitting(searches: tuple[str, ...]) -> tuple[str, ...]:
    kept = list(searches[:MOST_SEARCHES])
    while len(" ".join(kept)) > LONGEST_SEARCH:
        kept.pop()
    return tuple(kept)


def hosts_of_pod(pod: Mapping[str, Any], address: str) -> str:
    """A pod's /etc/hosts as a kubelet writes it: its own name and its aliases; all others are asked for."""
    own, spec = pod_names(pod).line.replace(" ", "\t"), pod["spec"]
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::\tip6-localnet",
        "fe00::\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
        f"{address}\t{own}",
    ]
    if aliases := spec.get("hostAliases"):
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join((alias["ip"], *(alias.get("hostnames") or ()))) for alias in aliases]
    return "".join(f"{line}\n" for line in lines)
