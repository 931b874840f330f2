"""Events of an Azure Event Hub that a consumer group has not processed yet, by its checkpoints.

```yaml
triggers:
- type: azure-eventhub
  metadata:
    eventHubName: clicks
    consumerGroup: crawler
    blobContainer: checkpoints
    checkpointStrategy: blobMetadata
    unprocessedEventThreshold: "64"
  authenticationRef:
    name: eventhub
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: eventhub
spec:
  secretTargetRef:
  - parameter: connection
    name: eventhub
    key: connection-string
  - parameter: storageConnection
    name: eventhub
    key: storage-connection-string
```

How far each partition goes is read from Event Hubs, how far the group has come from its checkpoints in Azure
Storage; the differences are added up. The HPA is never shown more than what keeps one replica per partition
busy. `checkpointStrategy` says who writes the checkpoints: `blobMetadata` (the current SDKs for .NET, Java,
JavaScript and Python), `azureFunction` (Azure Functions, in the container `azure-webjobs-eventhub`; also
what no `blobContainer` means), `goSdk`, `dapr`, or nothing for older SDKs. With a strategy that does not fit
no checkpoint is found, and all events that are kept count.

A partition without a checkpoint counts whole.
A checkpoint of events that have expired since counts them too. One further ahead than what is known
(`stalePartitionInfoThreshold`) counts 0. The group's name alone is part of the metric's name.
In place of connection strings `eventHubNamespace` and `storageAccountName` can name both, asked as an
identity, as [Azure identities](../authentication/azure.md) says.

Source: https://learn.microsoft.com/azure/event-hubs/event-hubs-features
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from tidegate.base.errors import Malformed
from tidegate.base.names import normalize
from tidegate.kit.answers import of_kind
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured
from tidegate.kit.settings import activation, declared, target
from tidegate.kit.systems.azure_eventhub import (
    LARGEST,
    HubPositions,
    Position,
    checkpoint_name,
    number_of,
    sequence_of,
    unprocessed,
)
from tidegate.kit.systems.azure_eventhub_access import EventHubAccess
from tidegate.kit.systems.azure_storage import BlobMetadata, BlobTexts

Checkpoints = Mapping[str, int]
"""Sequence numbers by partition; those that there are."""


@declared
class AzureEventHub(EventHubAccess):
    types: ClassVar[tuple[str, ...]] = ("azure-eventhub",)
    cost: ClassVar[str] = (
        "one AMQP connection for each namespace and key, and a flight of small requests, for each hub and "
        "partition one; one listing of a hub's checkpoints, and those read again that have changed"
    )
    tested_against: ClassVar[str] = (
        "an AMQP responder of ours that Microsoft's own client was tried against; checkpoints: Azurite 3.37.0"
    )

    unprocessed_event_threshold: int = target(
        "unprocessedEventThreshold", doc="Events that one replica should carry.", default=64
    )
    activation_unprocessed_event_threshold: int = activation(
        "activationUnprocessedEventThreshold", doc="Active above this number."
    )

    def summary(self) -> str:
        return f"{self.hub()} {self.consumer_group}"

    def metric_name(self) -> str:
        return normalize(f"azure-eventhub-{self.consumer_group}")

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        question = HubPositions(self.server(), self.hub())
        positions: dict[str, Position] = of_kind(await ask(question), dict, question)
        if not positions:
            raise Malformed("read the answer", on=question.server.label(), answer="it names no partitions")
        for one in positions.values():
            of_kind(one, Position, question)
        filled = tuple(name for name, one in positions.items() if one.last != -1)
        found = await self._checkpoints(ask, filled) if filled else {}
        total = sum(
            unprocessed(one, found.get(name), self.stale_partition_info_threshold)
            for name, one in positions.items()
        )
        total, bound, each = min(total, LARGEST), len(positions), self.unprocessed_event_threshold
        shown = bound * each if total // each > bound else total
        return Measured((float(shown),), active=total > self.activation_unprocessed_event_threshold)

    async def _checkpoints(self, ask: Ask, partitions: tuple[str, ...]) -> Checkpoints:
        layout, container = self.layout()
        host, hub, group = self.server().host, self.hub(), self.consumer_group
        stem = checkpoint_name(layout, host, hub, group)
        storage = self.storage()
        if layout != "blobMetadata":
            texts = BlobTexts(storage, container, tuple(f"{stem}{one}" for one in partitions))
            bodies = of_kind(await ask(texts), dict, texts)
            return {
                one: self._read(bodies[f"{stem}{one}"], f"{stem}{one}")
                for one in partitions
                if f"{stem}{one}" in bodies
            }
        # The SDKs of today write all names in lower case, those before them as they were given.
        stems = dict.fromkeys((stem, stem.lower()))
        questions = [
            BlobMetadata(storage, container, one.rpartition(f"{group.lower()}/")[0]) for one in stems
        ]
        answers = await ask.all(*questions)
        found: dict[str, int] = {}
        for text, question, answer in reversed(tuple(zip(stems, questions, answers, strict=True))):
            blobs = of_kind(answer, dict, question)
            for one in partitions:
                if f"{text}{one}" in blobs:
                    found[one] = number_of(blobs[f"{text}{one}"], f"{text}{one}", storage.label())
        return found

    def _read(self, body: bytes, name: str) -> int:
        try:
            number = sequence_of(self.layout()[0], json.loads(body))
        except (ValueError, RecursionError):
            number = None
        if number is None:
            answer = f"blob {name} is no checkpoint of this strategy"
            raise Malformed("read a checkpoint", on=self.storage().label(), answer=answer)
        return number
