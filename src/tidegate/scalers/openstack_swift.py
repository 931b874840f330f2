"""Objects in a container of OpenStack's Swift.

```yaml
triggers:
- type: openstack-swift
  metadata:
    containerName: uploads
    objectCount: "10"
  authenticationRef:
    name: openstack
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: openstack
spec:
  secretTargetRef:
  - parameter: authURL
    name: openstack
    key: url
  - parameter: appCredentialID
    name: openstack
    key: id
  - parameter: appCredentialSecret
    name: openstack
    key: secret
```

All objects of the container count, pseudo-folders too: `objectPrefix`, `objectDelimiter`, `objectLimit` and
`onlyFiles` have no effect, as in KEDA since 2.13, but that a prefix is a part of the metric's name. Swift
counts with a delay of some seconds.

Swift is the one in the catalogue of the login, in `regionName` where it is given, or the account at
`swiftURL` (`http://swift:8080/v1/AUTH_shop`). In the place of the application credential stand `userID`,
`password` and `projectID`.

Source: https://docs.openstack.org/api-ref/object-store/#show-container-metadata
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.settings import AUTHENTICATION, activation, declared, setting, target
from tidegate.kit.systems.openstack import ContainerObjects, OpenstackServer, url_problems
from tidegate.kit.systems.openstack_access import OpenstackAccess


@declared
class OpenstackSwift(OpenstackAccess):
    types: ClassVar[tuple[str, ...]] = ("openstack-swift",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one request for each different container of a login, 16 at a time; from eight on one for all"
    )
    tested_against: ClassVar[str] = "fakes of ours, written from the documentation of Swift and Keystone"

    container: str = setting("containerName", doc="Container.")
    swift_url: str = setting("swiftURL", doc="URL of the account.", default="", hidden=True)
    object_count: int = target("objectCount", doc="Objects that one replica should carry.", default=2)
    activation_count: int = activation("activationObjectCount")
    prefix: str = setting("objectPrefix", doc="A part of the metric's name.", default="")
    delimiter: str = setting("objectDelimiter", doc="Has no effect.", default="")
    limit: str = setting("objectLimit", doc="Has no effect.", default="")
    only_files: bool = setting("onlyFiles", doc="Has no effect.", default=False)
    timeout: int = setting("timeout", doc="Has no effect.", default=30)
    region: str = setting("regionName", doc="Region.", default="", sources=(AUTHENTICATION,))

    def check(self) -> Iterator[Problem]:
        yield from OpenstackAccess.check(self)
        yield from url_problems(swiftURL=self.swift_url)
        if self.user_id and not self.project_id:
            text = "projectID must be specified when using userID"
            yield Problem("projectID", text, "FieldValueRequired")
        if not self.user_id and not self.credential_id:
            text = "either userID or appCredentialID must be specified"
            yield Problem("userID", text, "FieldValueRequired")
        if "/" in self.container:
            yield Problem("containerName", "the name of a container holds no /")

    def metric_name(self) -> str:
        name = f"openstack-swift-{self.container}"
        return normalize(f"{name}-{self.prefix}" if self.prefix else name)

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = OpenstackServer(self.swift_url.rstrip("/"), self.keystone(), self.region)
        question = ContainerObjects(server, self.container)
        return count(await ask(question), question)
