"""What a pod calls itself: its host name, and the domain that a subdomain gives it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CLUSTER_DOMAIN = "cluster.local"
LABEL_LENGTH = 63
FQDN_LENGTH = 64
"""The most that the kernel takes for a host name."""


class Unnameable(Exception):
    """The full name is too long to be a host name; the message is the kubelet's."""


@dataclass(frozen=True, slots=True)
class PodNames:
    """`host` is one label; `domain` is "" without a subdomain; `kernel` is what `hostname` says."""

    host: str
    domain: str
    kernel: str

    @property
    def line(self) -> str:
        """The names in /etc/hosts, the full one first."""
        return f"{self.host}.{self.domain} {self.host}" if self.domain else self.host


def pod_names(pod: Mapping[str, Any]) -> PodNames:
    """Raises `Unnameable`."""
    spec, metadata = pod["spec"], pod["metadata"]
    host = str(spec.get("hostname") or metadata["name"])[:LABEL_LENGTH].rstrip("-.")
    domain = ""
    if spec.get("subdomain"):
        domain = f"{spec['subdomain']}.{metadata['namespace']}.svc.{CLUSTER_DOMAIN}"
    if not (spec.get("setHostnameAsFQDN") and domain):
        return PodNames(host, domain, host)
    full = f"{host}.{domain}"
    if len(full) > FQDN_LENGTH:
        raise Unnameable(
            "Failed to create pod sandbox: failed to construct FQDN from pod hostname and cluster domain, "
            f"FQDN {full} is too long ({FQDN_LENGTH} characters is the max, {len(full)} characters requested)"
        )
    return PodNames(host, domain, full)
