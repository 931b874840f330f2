"""Temporal: whom to ask, what to ask, and the settings by which a trigger finds and enters a frontend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, deprecated, setting
from tidegate.kit.tls import Tls

QueueType = Literal["activity", "workflow", "nexus"]
QUEUE_TYPES: tuple[QueueType, ...] = ("activity", "workflow", "nexus")

_A = (AUTHENTICATION,)
_ME = (METADATA, ENVIRONMENT)
_OLD = "is deprecated, use workerDeploymentName and workerDeploymentBuildId instead"


@dataclass(frozen=True, slots=True)
class TemporalServer:
    """A frontend, for all its namespaces. `address` is `host:port`; no `tls`: plaintext.

    A certificate is checked for `tls_name` where that is given. `connect_s`: how long a connection may take.
    """

    system: ClassVar[str] = "temporal"

    address: str
    api_key: str = field(default="", repr=False)
    tls: Tls | None = None
    tls_name: str = ""
    connect_s: float = 5.0

    def label(self) -> str:
        return f"Temporal {self.address}"


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """Tasks of one type that wait in a task queue: an int. A queue that nobody ever used has none."""

    server: TemporalServer
    namespace: str
    queue: str
    type: QueueType


@dataclass(frozen=True, slots=True)
class BuildBacklog:
    """Tasks of these types that wait for builds in a task queue, all together: an int.

    The older way to tell versions apart. `build_id` "" is what has no version.
    """

    server: TemporalServer
    namespace: str
    queue: str
    types: tuple[QueueType, ...]
    build_id: str
    is_all_active: bool = False
    is_unversioned: bool = False


@dataclass(frozen=True, slots=True)
class DeploymentVersion:
    """A version of a Worker Deployment with all its task queues: a `VersionQueues`."""

    server: TemporalServer
    namespace: str
    deployment: str
    build_id: str


@dataclass(frozen=True, slots=True)
class VersionQueues:
    """`status` in small letters, such as `draining`; `backlogs` by queue and type, in the server's order."""

    status: str
    backlogs: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class WorkflowCount:
    """How many workflow executions a query of visibility finds: an int, approximate."""

    server: TemporalServer
    namespace: str
    query: str


@declared
class TemporalAccess(Polled):
    """The settings of a frontend and of the login, and which versions of the workers count."""

    endpoint: str = setting("endpoint", doc="`host:port` of the frontend.", sources=_ME)
    api_key: str = setting(
        "apiKey",
        doc="Key, sent as a bearer token; over TLS.",
        default="",
        sources=(AUTHENTICATION, ENVIRONMENT),
        secret=True,
    )
    enable_tls: bool = setting("enableTLS", doc="`false`: send `apiKey` in plain text.", default=True)
    cert: str = setting("cert", doc="Client certificate (PEM); TLS.", default="", sources=_A)
    key: str = setting("key", doc="Its key (PEM).", default="", sources=_A, secret=True)
    key_password: str = setting("keyPassword", doc="Password of `key`.", default="", sources=_A, secret=True)
    ca: str = setting("ca", doc="CA certificates (PEM), instead of the usual ones.", default="", sources=_A)
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate that has not expired.", default=False)
    tls_server_name: str = setting(
        "tlsServerName", doc="Name that the certificate must have, instead of the host's.", default=""
    )
    min_connect_timeout: int = setting(
        "minConnectTimeout", doc="Seconds that a connection may take, up to 60.", default=5
    )

    deployment: str = setting("workerDeploymentName", doc="Worker Deployment.", default="", sources=_ME)
    deployment_build: str = setting("workerDeploymentBuildId", doc="Its version.", default="", sources=_ME)
    build_id: str = deprecated(
        "buildId", message=f"buildId {_OLD}", doc="Older versioning: a build.", default="", sources=_ME
    )
    select_all_active: bool = deprecated(
        "selectAllActive", message=f"selectAllActive {_OLD}", doc="Or all active builds.", default=False
    )
    select_unversioned: bool = deprecated(
        "selectUnversioned", message=f"selectUnversioned {_OLD}", doc="And what has none.", default=False
    )

    def is_older(self) -> bool:
        """Whether builds are told apart in the older way."""
        return bool(self.build_id) or self.select_all_active or self.select_unversioned

    def check(self) -> Iterator[Problem]:
        if "/" in self.endpoint.removeprefix("dns:///"):
            yield Problem("endpoint", f'"{self.endpoint}" is not host:port')
        if bool(self.deployment) != bool(self.deployment_build):
            missing = "workerDeploymentBuildId" if self.deployment else "workerDeploymentName"
            message = "workerDeploymentName and workerDeploymentBuildId must be given together"
            yield Problem(missing, message, "FieldValueRequired")
        if (self.deployment or self.deployment_build) and self.is_older():
            yield Problem(
                "workerDeploymentName", "cannot stand beside buildId, selectAllActive or selectUnversioned"
            )
        if self.min_connect_timeout < 0:
            yield Problem("minConnectTimeout", "minConnectTimeout must be a positive number")
        if bool(self.cert) != bool(self.key):
            missing = "key" if self.cert else "cert"
            message = "both cert and key must be provided when using TLS"
            yield Problem(missing, message, "FieldValueRequired")

    def notices(self) -> Iterator[Problem]:
        if self.server().tls is None:
            for name, given in (
                ("ca", self.ca),
                ("unsafeSsl", self.unsafe_ssl),
                ("tlsServerName", self.tls_server_name),
            ):
                if given:
                    yield Problem(name, "does nothing without TLS; cert and key, or apiKey, switch it on")

    def server(self) -> TemporalServer:
        has_pair = bool(self.cert and self.key)
        tls = None
        if has_pair or (self.api_key and self.enable_tls):
            pair = (self.cert, self.key, self.key_password) if has_pair else ("", "", "")
            tls = Tls(self.ca, *pair, is_verified=not self.unsafe_ssl)
        name = self.tls_server_name if tls is not None else ""
        return TemporalServer(
            self.endpoint, self.api_key, tls, name, float(min(self.min_connect_timeout, 60))
        )


def queue_backlog(
    version: VersionQueues, queue: str, types: tuple[QueueType, ...], question: DeploymentVersion
) -> int:
    """What waits in the version's task queue of this name. Malformed where the version has none."""
    if not any(name == queue for name, _, _ in version.backlogs):
        raise Malformed(
            f"read the backlog of {queue}",
            on=question.server.label(),
            answer=f"no worker of build {question.build_id} of {question.deployment} ever polled it",
            next_step="check `taskQueue`, or let the version's workers run once",
        )
    return sum(backlog for name, type, backlog in version.backlogs if name == queue and type in types)
