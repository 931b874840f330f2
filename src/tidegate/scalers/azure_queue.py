"""Approximate number of messages in a queue of Azure Storage.

```yaml
triggers:
- type: azure-queue
  metadata:
    queueName: orders
    queueLength: "5"
  authenticationRef:
    name: storage
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: storage
spec:
  secretTargetRef:
  - parameter: connection
    name: storage
    key: connection-string
```

All messages count: those that wait, those that a worker has received and not deleted, and those that are not
due yet. So a busy workload is not scaled in. With `queueLengthStrategy: visibleonly` only what can be
received now counts, as long as that is fewer than 32 messages; from there on Azure tells only the number of
all, and that counts: 31 messages that wait beside 500 in work are 31, 32 are 532. The number is never lower
than the true one, and may include messages that have just been deleted.

The connection string holds a key (`AccountKey`) or a shared access signature with the right to read the queue
(`SharedAccessSignature`); `UseDevelopmentStorage=true` stands for an emulator on the same machine. No call
tells of several queues, and each is billed: triggers of one queue share theirs.
ScaledJobs can claim from it, one Job for one message: see [claimed work](../../claims.md).
In its place `accountName` can name the account, asked as an identity with the role *Storage Queue Data
Reader*: see [Azure identities](../authentication/azure.md).

Source: https://learn.microsoft.com/rest/api/storageservices/get-queue-metadata
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.core.claims.wishes import Wishes
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.azure_queue_claims import AzureQueueSource, aside_problem
from tidegate.kit.systems.azure_storage import QueueMessages, Service, StorageAccess
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.claims import Source


@declared
class AzureQueue(StorageAccess):
    types: ClassVar[tuple[str, ...]] = ("azure-queue",)
    service: ClassVar[Service] = "queue"
    is_consumed: ClassVar[bool] = True
    is_claimable: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one billed request for each queue, 16 at a time; `visibleonly`: a second one from 32 messages on"
    )
    calls: ClassVar[Calls] = QueueMessages.calls
    tested_against: ClassVar[str] = "Azurite 3.37.0 (Microsoft's emulator)"

    queue_name: str = setting("queueName", doc="Name of the queue.")
    queue_length: int = target("queueLength", doc="Messages that one replica should carry.", default=5)
    activation_queue_length: int = activation("activationQueueLength", doc="Active above this number.")
    queue_length_strategy: Literal["all", "visibleonly"] = setting(
        "queueLengthStrategy",
        doc="`all` counts every message, `visibleonly` those that can be received now.",
        default="all",
    )

    def summary(self) -> str:
        return self.queue_name

    def metric_name(self) -> str:
        return normalize(f"azure-queue-{self.queue_name}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        is_visible_only = self.queue_length_strategy == "visibleonly"
        question = QueueMessages(self.server(), self.queue_name, is_visible_only)
        return float(count(await ask(question), question))

    def claim_source(self, wishes: Wishes) -> Source | None:
        return AzureQueueSource(self.server(), self.queue_name, wishes.dead_letter)

    def claim_problem(self, wishes: Wishes) -> str:
        return aside_problem(self.queue_name, wishes.dead_letter)
