"""Azure Service Bus: which namespace to ask, for the counts of what, and the settings that name it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tidegate.base.errors import Unreachable
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.identity import IdentityToken, Provider
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, declared, setting
from tidegate.kit.systems.azure import Namespace, read_namespace
from tidegate.kit.systems.azure_clouds import cloud_problems, is_label, namespace_host, suffix_problems
from tidegate.kit.systems.calls import Calls

AUDIENCE = "https://servicebus.azure.net/.default"


@dataclass(frozen=True, slots=True)
class ServiceBusServer:
    """The management interface of a namespace, asked with its key or as an identity (`token`)."""

    system: ClassVar[str] = "azure_servicebus"

    namespace: Namespace
    token: IdentityToken | None = None

    def label(self) -> str:
        return f"Azure Service Bus {self.namespace.host}"

    def origin(self) -> str:
        """Where requests go: `scheme://host[:port]`."""
        scheme = "http" if self.namespace.is_emulator else "https"
        host = f"[{self.namespace.host}]" if ":" in self.namespace.host else self.namespace.host
        port = self.namespace.port
        return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}"


@dataclass(frozen=True, slots=True)
class ActiveMessages:
    """How many active messages a queue holds, or the subscription of a `topic`: an int."""

    server: ServiceBusServer
    name: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class AllActiveMessages:
    """The active messages of all queues, or of all subscriptions of a `topic`: a mapping by name.

    None for one whose count the service withholds, as it does when it is asked too often.
    """

    calls: ClassVar[Calls] = Calls(more="one for each further hundred queues or subscriptions")

    server: ServiceBusServer
    topic: str = ""


@declared
class ServiceBusAccess(Polled):
    """The settings of a namespace."""

    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)

    connection: str = setting(
        "connection",
        doc="Connection string of the namespace.",
        default="",
        sources=(AUTHENTICATION, ENVIRONMENT),
        secret=True,
    )
    namespace: str = setting("namespace", doc="Namespace, where an identity asks.", default="")
    cloud: str = setting("cloud", doc="Cloud, where an identity asks.", default="")
    endpoint_suffix: str = setting(
        "endpointSuffix", doc="Suffix of the hosts of a `Private` cloud.", default=""
    )

    def check(self) -> Iterator[Problem]:
        if self.identity is not None:
            yield from cloud_problems(self.cloud, endpointSuffix=self.endpoint_suffix)
            yield from suffix_problems("endpointSuffix", self.endpoint_suffix)
            if not self.namespace:
                yield Problem("namespace", "no namespace given", "FieldValueRequired")
            elif not is_label(self.namespace):
                yield Problem("namespace", "is no name of a namespace: give it without its host")
        elif not self.connection:
            yield Problem("connection", "no connection setting given", "FieldValueRequired")
        else:
            yield from connection_problems(self.connection)

    def server(self) -> ServiceBusServer:
        if self.identity is None:
            return ServiceBusServer(read_namespace(self.connection))
        host, audience = namespace_host(self.namespace, self.cloud, self.endpoint_suffix, AUDIENCE)
        return ServiceBusServer(Namespace(host), IdentityToken(self.identity, audience))


def connection_problems(text: str) -> Iterator[Problem]:
    """Why the management interface cannot be asked with this connection string."""
    try:
        namespace = read_namespace(text)
    except ValueError as error:
        yield Problem("connection", f"the connection string {error}")
        return
    if namespace.entity:
        message = (
            "the connection string has an EntityPath: it must be the namespace's, with the right to Manage"
        )
        yield Problem("connection", message)


def withheld(answer: int | None, name: str, question: AllActiveMessages) -> int:
    """The count, where there is one."""
    if answer is None:
        raise Unreachable(
            f"count the messages of {name}",
            on=question.server.label(),
            answer="the answer has no CountDetails, as when the namespace is asked too often",
            next_step="ask less often: raise `pollingInterval`",
        )
    return count(answer, question)


def combined(operation: str, counts: list[int]) -> float:
    """Source: KEDA; nothing is 0, and the average of whole numbers is one."""
    if not counts:
        return 0.0
    if operation == "max":
        return float(max(counts))
    return float(sum(counts) // (len(counts) if operation == "avg" else 1))
