"""The settings by which an Event Hubs trigger names its hub, its storage and its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, get_args

from tidegate.base.problems import Problem
from tidegate.kit.identity import IdentityToken, Provider
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.azure import Namespace, read_namespace
from tidegate.kit.systems.azure_clouds import (
    PRIVATE,
    cloud_of,
    cloud_problems,
    is_label,
    is_private,
    namespace_host,
    suffix_problems,
)
from tidegate.kit.systems.azure_eventhub import EventHubServer, Layout
from tidegate.kit.systems.azure_storage import StorageServer, identified_storage, read_storage

AUDIENCE = "https://eventhubs.azure.net/.default"

FUNCTIONS_CONTAINER = "azure-webjobs-eventhub"


@declared
class EventHubAccess(Polled):
    """Hub, group and checkpoints."""

    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)

    connection: str = setting(
        "connection",
        doc="Connection string of the namespace or hub.",
        default="",
        sources=(AUTHENTICATION, ENVIRONMENT),
        secret=True,
    )
    storage_connection: str = setting(
        "storageConnection",
        doc="Connection string of the storage account with the checkpoints.",
        default="",
        sources=(AUTHENTICATION, ENVIRONMENT),
        secret=True,
    )
    event_hub_name: str = setting(
        "eventHubName",
        doc="Hub; needed unless the connection string has an `EntityPath`.",
        default="",
        sources=(METADATA, ENVIRONMENT),
    )
    consumer_group: str = setting("consumerGroup", doc="Consumer group.", default="$Default")
    blob_container: str = setting("blobContainer", doc="Container of the checkpoints.", default="")
    checkpoint_strategy: str = setting(
        "checkpointStrategy",
        doc="Who writes the checkpoints: `azureFunction`, `blobMetadata`, `goSdk`, `dapr`; else an old SDK.",
        default="",
    )
    stale_partition_info_threshold: int = setting(
        "stalePartitionInfoThreshold",
        doc="How far a checkpoint may be ahead of what is known of its partition, and count 0.",
        default=10000,
    )
    event_hub_namespace: str = setting(
        "eventHubNamespace",
        doc="Namespace, where an identity asks.",
        default="",
        sources=(METADATA, ENVIRONMENT),
    )
    storage_account_name: str = setting(
        "storageAccountName", doc="Storage account, where an identity asks.", default=""
    )
    cloud: str = setting("cloud", doc="Cloud, where an identity asks.", default="")
    endpoint_suffix: str = setting(
        "endpointSuffix", doc="Suffix of the namespaces of a `Private` cloud.", default=""
    )
    storage_endpoint_suffix: str = setting(
        "storageEndpointSuffix", doc="Suffix of the accounts of a `Private` cloud.", default=""
    )

    def check(self) -> Iterator[Problem]:
        if self.metric_target() <= 0:
            message = '"unprocessedEventThreshold" must be a positive number'
            yield Problem("unprocessedEventThreshold", message)
        suffixes = {"endpointSuffix": self.endpoint_suffix}
        if self.storage_account_name and self.cloud.casefold() == PRIVATE:
            suffixes["storageEndpointSuffix"] = self.storage_endpoint_suffix
        yield from cloud_problems(self.cloud, **suffixes)
        if self.identity is not None:
            yield from self._identity_problems()
        else:
            yield from self._connection_problems()

    def notices(self) -> Iterator[Problem]:
        known = get_args(Layout)
        if self.checkpoint_strategy and self.checkpoint_strategy not in known:
            message = (
                f'"{self.checkpoint_strategy}" is no strategy: checkpoints are read as those of old SDKs'
            )
            yield Problem("checkpointStrategy", message)

    def server(self) -> EventHubServer:
        if self.identity is None:
            return EventHubServer(replace(read_namespace(self.connection), entity=""))
        host, audience = namespace_host(self.event_hub_namespace, self.cloud, self.endpoint_suffix, AUDIENCE)
        return EventHubServer(Namespace(host), IdentityToken(self.identity, audience))

    def storage(self) -> StorageServer:
        if self.identity is None or self.storage_connection:
            return read_storage(self.storage_connection, "blob")
        is_own = is_private(self.cloud)
        # That of blobs and of queues differ by a word, which is not part of this setting.
        own = f"blob.{self.storage_endpoint_suffix}"
        suffix = own if is_own else cloud_of(self.cloud).storage
        return identified_storage(self.identity, self.storage_account_name, "blob", suffix, is_private=is_own)

    def hub(self) -> str:
        """The hub; that of the connection string counts more, unless an identity asks."""
        is_by_string = self.identity is None and self.connection
        return (read_namespace(self.connection).entity if is_by_string else "") or self.event_hub_name

    def layout(self) -> tuple[Layout, str]:
        """How checkpoints are laid out, and in which container. Source: KEDA."""
        strategy = self.checkpoint_strategy
        if strategy == "blobMetadata":
            return "blobMetadata", self.blob_container
        if strategy == "goSdk":
            return "goSdk", self.blob_container
        if strategy == "dapr":
            return "dapr", self.blob_container
        if strategy == "azureFunction" or not self.blob_container:
            return "azureFunction", FUNCTIONS_CONTAINER
        return "default", self.blob_container

    def _connection_problems(self) -> Iterator[Problem]:
        if not self.storage_connection:
            yield Problem("storageConnection", "no storage connection string given", "FieldValueRequired")
        else:
            yield from self._storage_problems()
        if not self.blob_container and self.layout()[0] != "azureFunction":
            message = f"{self.checkpoint_strategy} checkpoints are in a container: no blobContainer given"
            yield Problem("blobContainer", message, "FieldValueRequired")
        if not self.connection:
            yield Problem("connection", "no event hub connection string given", "FieldValueRequired")
            return
        try:
            entity = read_namespace(self.connection).entity
        except ValueError as error:
            yield Problem("connection", f"the connection string {error}")
            return
        if not entity and not self.event_hub_name:
            message = "connection string doesn't contain 'EntityPath' and no eventHubName is given"
            yield Problem("eventHubName", message, "FieldValueRequired")

    def _storage_problems(self) -> Iterator[Problem]:
        try:
            read_storage(self.storage_connection, "blob")
        except ValueError as error:
            yield Problem("storageConnection", f"the storage connection string {error}")

    def _identity_problems(self) -> Iterator[Problem]:
        given = " for pod identity based authentication given"
        yield from suffix_problems("endpointSuffix", self.endpoint_suffix)
        yield from suffix_problems("storageEndpointSuffix", self.storage_endpoint_suffix)
        if self.storage_connection:
            yield from self._storage_problems()
        elif self.storage_account_name and not is_label(self.storage_account_name):
            message = "is no name of an account: give it without its host"
            yield Problem("storageAccountName", message)
        if self.event_hub_namespace and not is_label(self.event_hub_namespace):
            message = "is no name of a namespace: give it without its host"
            yield Problem("eventHubNamespace", message)
        if not self.storage_connection and not self.storage_account_name:
            message = "no storage connection string or storage account name"
            yield Problem("storageAccountName", f"{message}{given}", "FieldValueRequired")
        if not self.event_hub_namespace:
            yield Problem("eventHubNamespace", f"no event hub namespace{given}", "FieldValueRequired")
        if not self.event_hub_name:
            yield Problem("eventHubName", f"no event hub name{given}", "FieldValueRequired")
