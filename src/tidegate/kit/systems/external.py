"""External scalers: servers of users' own that speak KEDA's gRPC protocol, and what to ask them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.kit.tls import Tls


@dataclass(frozen=True, slots=True)
class ExternalServer:
    """A gRPC server. `address` is `host:port`, `dns:///host:port` or `unix:/path`; no `tls`: plaintext."""

    system: ClassVar[str] = "external"

    address: str
    tls: Tls | None = None

    def label(self) -> str:
        return f"external scaler {self.address}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the object, and the trigger's metadata, by which a server tells its triggers apart."""

    namespace: str
    name: str
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ExternalSpecs:
    """Which metrics the server has for the caller: a tuple of `MetricSpec`, never empty."""

    server: ExternalServer
    caller: Caller


@dataclass(frozen=True, slots=True)
class ExternalValue:
    """The value of one metric: a float. Several entries of a reply are added up, as an HPA does."""

    server: ExternalServer
    caller: Caller
    metric: str


@dataclass(frozen=True, slots=True)
class ExternalActivity:
    """Whether the server calls the trigger active: a bool. A push of before counts once."""

    server: ExternalServer
    caller: Caller


@dataclass(frozen=True, slots=True)
class ExternalPushes:
    """A watch: the server says when the trigger becomes active, and when its metrics change."""

    server: ExternalServer
    caller: Caller
