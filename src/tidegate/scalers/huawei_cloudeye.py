"""Newest value of a metric in Huawei Cloud Eye.

```yaml
triggers:
- type: huawei-cloudeye
  metadata:
    namespace: SYS.ELB
    metricName: mb_l7_qps
    dimensionName: lbaas_instance_id
    dimensionValue: 5e052238-0346-47b0-84da-9ab3d0e8f4c1
    targetMetricValue: "100"
    metricCollectionTime: "600"
  authenticationRef:
    name: huawei
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: huawei
spec:
  secretTargetRef:
  - parameter: ProjectID
    name: huawei
    key: project
  - parameter: Region
    name: huawei
    key: region
  - parameter: AccessKey
    name: huawei
    key: access
  - parameter: SecretKey
    name: huawei
    key: secret
```

The window ends with the last whole minute and is `metricCollectionTime` seconds long. Of its points the
newest counts. No point is a failure: a window as short as one `metricPeriod` often has none, so make it two
or three of them.

`IdentityEndpoint`, `DomainID` and `Domain` may be given and are not needed.

Source: https://support.huaweicloud.com/intl/en-us/api-ces/ces_03_0034.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, activation, declared, removed, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.http import header_problem, read_url
from tidegate.kit.systems.huawei import CloudEyeMetric, CloudEyeServer

_A = (AUTHENTICATION,)


@declared
class HuaweiCloudeye(Polled):
    types: ClassVar[tuple[str, ...]] = ("huawei-cloudeye",)
    cost: ClassVar[str] = (
        "one request for up to 500 different metrics of a project with one window, period and filter"
    )
    calls: ClassVar[Calls] = CloudEyeMetric.calls
    tested_against: ClassVar[str] = (
        "a fake of ours, written from Huawei's documentation, which checks signatures"
    )

    namespace: str = setting("namespace", doc="Namespace of the metric.")
    metric: str = setting("metricName", doc="Metric.")
    dimension_name: str = setting("dimensionName", doc="Name of its one dimension.")
    dimension_value: str = setting("dimensionValue", doc="Value of that dimension.")
    target_value: float = target("targetMetricValue", doc="Value that one replica should carry.")
    activation_value: float = activation("activationTargetMetricValue")
    window_s: int = setting("metricCollectionTime", doc="Length of the window, in seconds.", default=300)
    rollup: Literal["average", "max", "min", "sum"] = setting(
        "metricFilter", doc="What becomes of the values of a period.", default="average"
    )
    period: str = setting("metricPeriod", doc="Length of a period, in seconds.", default="300")
    minimum: str | None = removed("minMetricValue", message="use activationTargetMetricValue")
    project: str = setting("ProjectID", doc="Project.", sources=_A)
    region: str = setting("Region", doc="Region.", sources=_A)
    cloud: str = setting("Cloud", doc="Domain of the cloud.", default="myhuaweicloud.com", sources=_A)
    access_key: str = setting("AccessKey", doc="Access key.", sources=_A, hidden=True)
    secret_key: str = setting("SecretKey", doc="Its secret.", sources=_A, secret=True)
    identity_endpoint: str = setting("IdentityEndpoint", doc="Has no effect.", default="", sources=_A)
    domain_id: str = setting("DomainID", doc="Has no effect.", default="", sources=_A)
    domain: str = setting("Domain", doc="Has no effect.", default="", sources=_A)

    def check(self) -> Iterator[Problem]:
        try:
            url = read_url(self._origin())
        except ValueError as error:
            yield Problem("Region", f"with `Cloud`, it {error}")
        else:
            if url.path or url.query or url.username:
                yield Problem("Region", "with `Cloud`, it is no host")
        if self.window_s <= 0:
            yield Problem("metricCollectionTime", "it must be above 0")
        if not self.period.isdecimal():
            yield Problem("metricPeriod", "its value is no number of seconds")
        if problem := header_problem("Authorization", self.access_key):
            yield Problem("AccessKey", problem)

    def metric_name(self) -> str:
        return normalize(f"huawei-cloudeye-{self.metric}")

    def _origin(self) -> str:
        return f"https://ces.{self.region}.{self.cloud}"

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = CloudEyeServer(self._origin(), self.project, self.access_key, self.secret_key)
        dimension = (self.dimension_name, self.dimension_value)
        question = CloudEyeMetric(
            server, self.namespace, self.metric, dimension, self.window_s, self.period, self.rollup
        )
        return number(await ask(question), question)
