"""Last measure of a metric in OpenStack's Gnocchi.

```yaml
triggers:
- type: openstack-metric
  metadata:
    metricsURL: http://gnocchi.openstack:8041/v1/metric
    metricID: 003bb589-166d-439d-8c31-cbf098d863de
    aggregationMethod: mean
    granularity: "300"
    threshold: "100"
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

The last measure since `granularity` seconds ago counts (without one minute, in whole minutes). A window
without any measure is 0, as in KEDA: with a granularity below the pace of the measures the value flaps to
0.

`authURL` is Keystone's, with or without `/v3`. In the place of the application credential stand `userID` and
`password`, with `projectID` for the project.

Source: https://gnocchi.osci.io/rest.html#metrics and
https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.openstack import LastMeasure, OpenstackServer, url_problems
from tidegate.kit.systems.openstack_access import OpenstackAccess


@declared
class OpenstackMetric(OpenstackAccess):
    types: ClassVar[tuple[str, ...]] = ("openstack-metric",)
    cost: ClassVar[str] = "one request for each different metric of a login, 16 at a time; its token is kept"
    tested_against: ClassVar[str] = "fakes of ours, written from the documentation of Gnocchi and Keystone"

    metrics_url: str = setting("metricsURL", doc="URL under which metrics are.", hidden=True)
    metric_id: str = setting("metricID", doc="Metric.")
    aggregation: str = setting("aggregationMethod", doc="`mean`, `max`, `sum`, …")
    granularity: int = setting("granularity", doc="Length of a measure, in seconds.")
    threshold: float = target("threshold", doc="Value that one replica should carry.", default=0.0)
    activation_threshold: float = activation("activationThreshold")
    timeout: int = setting("timeout", doc="How long an exchange may take, in seconds.", default=30)

    def check(self) -> Iterator[Problem]:
        yield from OpenstackAccess.check(self)
        yield from url_problems(metricsURL=self.metrics_url)
        if not (self.credential_id or self.credential_secret) and not self.user_id:
            text = "neither userID or appCredentialSecretID exist in the authParams"
            yield Problem("userID", text, "FieldValueRequired")
        if self.granularity < 1:
            yield Problem("granularity", "granularity value is less than 1")
        if self.timeout < 1:
            yield Problem("timeout", "it must be above 0")

    def metric_name(self) -> str:
        return normalize(f"openstack-metric-{self.metric_id}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = OpenstackServer(self.metrics_url.rstrip("/"), self.keystone(), "", float(self.timeout))
        question = LastMeasure(server, self.metric_id, self.aggregation, self.granularity)
        answer = await ask(question)
        return 0.0 if answer is None else number(answer, question)
