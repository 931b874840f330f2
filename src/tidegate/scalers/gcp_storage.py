"""Number of objects in a bucket of Google Cloud Storage that are not empty.

```yaml
triggers:
- type: gcp-storage
  metadata:
    bucketName: shop-uploads
    blobPrefix: incoming/
    targetObjectCount: "20"
    maxBucketItemsToScan: "2000"
  authenticationRef:
    name: google
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: google
spec:
  secretTargetRef:
  - parameter: GoogleApplicationCredentials
    name: google
    key: key.json
```

Counting stops at `maxBucketItemsToScan`: let it be the target times the most replicas, or more. With a
`blobDelimiter` what lies below it in a name (`incoming/old/…`) does not count. Objects of no bytes never
count: they stand for folders. A bucket that is not there is a failure, and no 0.

Listing is billed for each page of 1,000 objects: poll slowly, and delete or move what is done. Triggers on
one bucket, prefix and delimiter share a listing.

The account wants the right `storage.objects.list`, as in the role Storage Object Viewer; with
`podIdentity: gcp` the autoscaler's own identity asks.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.gcp import GcpAccess, Service
from tidegate.kit.systems.gcp_storage import ObjectCount

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


@declared
class GcpStorage(GcpAccess):
    types: ClassVar[tuple[str, ...]] = ("gcp-storage",)
    service: ClassVar[Service] = "storage"
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one call for 1,000 objects of each different bucket, prefix and delimiter, 16 at a time; woken at "
        "most every 30 s"
    )
    calls: ClassVar[Calls] = Calls(more="one for each further 1,000 objects")
    tested_against: ClassVar[str] = "fake-gcs-server 1.54 (emulator); faults and refusals: a fake of ours"

    bucket: str = setting("bucketName", doc="Bucket.")
    target_count: int = target("targetObjectCount", doc="Objects that one replica should carry.", default=100)
    activation_count: int = activation("activationTargetObjectCount", default=0)
    limit: int = setting("maxBucketItemsToScan", doc="Counting stops there.", default=1000)
    prefix: str = setting("blobPrefix", doc="How names begin.", default="")
    delimiter: str = setting("blobDelimiter", doc="What no name holds after that, such as `/`.", default="")
    endpoint: str = setting(
        "storageEndpoint",
        doc="URL that stands in for `https://storage.googleapis.com`: private endpoints, emulators.",
        default="",
    )

    def endpoint_setting(self) -> tuple[str, str]:
        return "storageEndpoint", self.endpoint

    def check(self) -> Iterator[Problem]:
        yield from GcpAccess.check(self)
        if not _BUCKET.fullmatch(self.bucket):
            yield Problem("bucketName", f'"{self.bucket}" is not the name of a bucket')
        if self.target_count <= 0:
            yield Problem("targetObjectCount", "targetObjectCount must be a positive number")
        if self.activation_count < 0:
            yield Problem(
                "activationTargetObjectCount", "activationTargetObjectCount must be a positive number"
            )
        if self.limit <= 0:
            yield Problem("maxBucketItemsToScan", "maxBucketItemsToScan must be a positive number")

    def notices(self) -> Iterator[Problem]:
        if self.activation_count >= self.limit:
            message = "is never exceeded: counting stops at maxBucketItemsToScan"
            yield Problem("activationTargetObjectCount", message)

    def summary(self) -> str:
        return f"objects {self.prefix}* of bucket {self.bucket}"

    def metric_name(self) -> str:
        return normalize(f"gcp-storage-{self.bucket}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = ObjectCount(self.server(), self.bucket, self.limit, self.prefix, self.delimiter)
        return float(count(await ask(question), question))
