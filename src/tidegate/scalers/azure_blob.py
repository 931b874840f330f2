"""Number of blobs in a container of Azure Storage: at one level, below it, or whose names match.

```yaml
triggers:
- type: azure-blob
  metadata:
    blobContainerName: uploads
    blobPrefix: incoming
    blobCount: "10"
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

Without more, what lies directly under the prefix counts: `incoming` and `incoming/` count `incoming/a.png`,
not `incoming/old/b.png` and not `incoming.txt`. `recursive: "true"` counts all names that begin with the
prefix as it is written, `incoming.txt` too. `globPattern` counts the names that match as a whole: `*` and
`**` stand for any text, slashes too, `?` for one character; `[abc]`, `[!a-z]` and `{jpg,png}` mean what they
do in a shell. The prefix still limits what is looked at.

A listing brings 5,000 blobs a page, and each page is billed: delete or move what is done, or count a narrow
prefix. A container that takes more than a minute to list is told, not counted in part.
The connection string holds a key or a shared access signature with the right to list. In its place
`accountName` can name the account, asked as an identity with the role *Storage Blob Data Reader*:
see [Azure identities](../authentication/azure.md).

Source: https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.picking.patterns import shell_glob
from tidegate.kit.question import Ask
from tidegate.kit.settings import (
    AUTHENTICATION,
    ENVIRONMENT,
    METADATA,
    activation,
    declared,
    setting,
    target,
)
from tidegate.kit.systems.azure_storage import BlobCount, Service, StorageAccess
from tidegate.kit.systems.calls import Calls


@declared
class AzureBlob(StorageAccess):
    types: ClassVar[tuple[str, ...]] = ("azure-blob",)
    service: ClassVar[Service] = "blob"
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one billed request for 5,000 blobs of each listing; triggers that look into a part of what another "
        "lists wholly share it"
    )
    calls: ClassVar[Calls] = BlobCount.calls
    tested_against: ClassVar[str] = "Azurite 3.37.0 (Microsoft's emulator)"

    blob_container_name: str = setting("blobContainerName", doc="Name of the container.")
    blob_prefix: str = setting("blobPrefix", doc="Count only names that begin with this.", default="")
    blob_delimiter: str = setting("blobDelimiter", doc="What stands between levels.", default="/")
    recursive: bool = setting("recursive", doc="Count what lies deeper, too.", default=False)
    glob_pattern: str = setting("globPattern", doc="Count the names that match this.", default="")
    blob_count: int = target("blobCount", doc="Blobs that one replica should carry.", default=5)
    activation_blob_count: int = activation("activationBlobCount", doc="Active above this number.")
    connection: str = setting(
        "connection",
        doc="Connection string of the account.",
        default="",
        sources=(AUTHENTICATION, ENVIRONMENT, METADATA),
        secret=True,
    )

    def check(self) -> Iterator[Problem]:
        if self.glob_pattern:
            try:
                shell_glob(self._glob())
            except ValueError as error:
                yield Problem("globPattern", f'"{self.glob_pattern}" {error}')
        yield from StorageAccess.check(self)

    def summary(self) -> str:
        return f"{self.blob_container_name} {self.glob_pattern or self._prefix()}".strip()

    def metric_name(self) -> str:
        return normalize(f"azure-blob-{self.blob_container_name}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        is_flat = self.recursive or bool(self.glob_pattern)
        question = BlobCount(
            self.server(),
            self.blob_container_name,
            self._prefix(),
            "" if is_flat else self.blob_delimiter,
            shell_glob(self._glob()).text if self.glob_pattern else "",
        )
        return float(count(await ask(question), question))

    def _prefix(self) -> str:
        """What names begin with: the prefix is a level, unless all below it counts. Source: KEDA."""
        prefix, delimiter = self.blob_prefix, self.blob_delimiter
        return prefix if self.recursive or not prefix or prefix.endswith(delimiter) else prefix + delimiter

    def _glob(self) -> str:
        return self.glob_pattern.removeprefix("/")
