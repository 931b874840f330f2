"""Whose certificates count: the front proxy's, in whose name the API server speaks for others, and clients'.

Kubernetes publishes both in the ConfigMap `extension-apiserver-authentication` of kube-system, and may change
them at any time. Source: https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tidegate.base.errors import Malformed
from tidegate.kube.spoken_for import ProxyHeaders
from tidegate.runtime.certificates import read_certificates

NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"
_HEADERS = {
    "user": "requestheader-username-headers",
    "group": "requestheader-group-headers",
    "extra": "requestheader-extra-headers-prefix",
    "uid": "requestheader-uid-headers",
}


@dataclass(frozen=True, slots=True)
class Authorities:
    """PEM texts, and the same certificates as DER."""

    pem: bytes = b""
    der: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, pem: bytes) -> Authorities:
        """Malformed where it holds no certificates."""
        found: list[x509.Certificate] = read_certificates(pem) if pem.strip() else []
        return cls(pem, frozenset(one.public_bytes(Encoding.DER) for one in found))

    def vouch(self, chain: Iterable[bytes]) -> bool:
        """Whether a verified chain (DER) comes from one of them."""
        return not self.der.isdisjoint(chain)


@dataclass(frozen=True, slots=True)
class Trust:
    """`proxy_names` are the common names that a front proxy may have; none: any. `headers` is how it names
    whom it speaks for."""

    proxies: Authorities = field(default_factory=Authorities)
    clients: Authorities = field(default_factory=Authorities)
    proxy_names: tuple[str, ...] = ()
    headers: ProxyHeaders = field(default_factory=ProxyHeaders)

    @property
    def pem(self) -> bytes:
        """All authorities, for the handshake."""
        return b"\n".join(filter(None, (self.proxies.pem, self.clients.pem)))


def published(entries: Mapping[str, str]) -> Trust:
    """What the ConfigMap says. Malformed names the entry that cannot be read."""
    lists: dict[str, tuple[str, ...]] = {}
    for entry in ("requestheader-allowed-names", *_HEADERS.values()):
        try:
            lists[entry] = msgspec.json.decode(entries.get(entry) or "[]", type=tuple[str, ...])
        except msgspec.DecodeError as error:
            raise _unreadable(entry, "it is not a JSON list of texts") from error
    pems: list[Authorities] = []
    for entry in ("requestheader-client-ca-file", "client-ca-file"):
        try:
            pems.append(Authorities.of(entries.get(entry, "").encode()))
        except Malformed as error:
            raise _unreadable(entry, error.answer) from error
    return Trust(
        pems[0],
        pems[1],
        lists["requestheader-allowed-names"],
        # Without any, nobody is spoken for.
        ProxyHeaders(**{part: lists[entry] for part, entry in _HEADERS.items()}),
    )


def overridden(trust: Trust, *, clients: bytes) -> Trust:
    """With clients' authorities from a file, as `--client-ca-file` has it."""
    return replace(trust, clients=Authorities.of(clients)) if clients else trust


def _unreadable(entry: str, answer: str) -> Malformed:
    return Malformed(f"read {entry}", on=f"ConfigMap {NAMESPACE}/{NAME}", answer=answer)
