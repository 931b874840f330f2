"""The newest value of a metric of Amazon CloudWatch, or of an expression over metrics.

```yaml
triggers:
- type: aws-cloudwatch
  metadata:
    namespace: AWS/SQS
    metricName: ApproximateAgeOfOldestMessage
    dimensionName: QueueName
    dimensionValue: orders
    metricStat: Maximum
    metricStatPeriod: "60"
    metricCollectionTime: "180"
    targetMetricValue: "30"
    minMetricValue: "0"
    awsRegion: eu-west-1
  authenticationRef:
    name: aws
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: aws
spec:
  secretTargetRef:
  - parameter: awsAccessKeyID
    name: aws
    key: id
  - parameter: awsSecretAccessKey
    name: aws
    key: secret
```

The window ends at the last whole `metricStatPeriod`, `metricEndTimeOffset` seconds ago, and is
`metricCollectionTime` long; the newest point in it counts. Points are published late: take a window of
two or three periods. Without any point the value is `minMetricValue`, or a failure with
`ignoreNullValues: "false"`. The dimensions must be all that the metric was stored with.

With `expression` (metric math, `SEARCH(…)`, `SELECT …`) the metric's own settings are not needed; of several
series that it gives the first one counts.

Triggers with the same window travel 500 to a call. CloudWatch bills each metric that is asked for, so a
`pollingInterval` below the period buys nothing. Instead of keys it can ask in a
role: see [AWS identities](../authentication/aws.md).

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.aws import AwsAccess, CloudwatchSeries, Service, Statistic
from tidegate.kit.systems.aws_windows import UNITS, window_end_s
from tidegate.kit.systems.calls import Calls


@declared
class AwsCloudwatch(AwsAccess):
    types: ClassVar[tuple[str, ...]] = ("aws-cloudwatch",)
    service: ClassVar[Service] = "monitoring"
    cost: ClassVar[str] = "one call for 500 metrics of one window, each billed; woken at most every 10 s"
    calls: ClassVar[Calls] = CloudwatchSeries.calls
    tested_against: ClassVar[str] = "moto 5.2.5 (emulator; expressions: a fake)"

    namespace: str = setting("namespace", doc="Namespace of the metric.", default="")
    metric: str = setting("metricName", doc="Its name.", default="")
    dimension_names: tuple[str, ...] = setting(
        "dimensionName", doc="Names of its dimensions.", default=(), separator=";"
    )
    dimension_values: tuple[str, ...] = setting(
        "dimensionValue", doc="Their values.", default=(), separator=";"
    )
    expression: str = setting("expression", doc="Instead of one metric.", default="")
    statistic: str = setting("metricStat", doc="Statistic: `Sum`, `p99` and the like.", default="Average")
    unit: str = setting("metricUnit", doc="Only points with this unit.", default="")
    period_s: int = setting("metricStatPeriod", doc="Seconds of one point.", default=300)
    length_s: int = setting("metricCollectionTime", doc="Seconds of the window.", default=300)
    offset_s: int = setting("metricEndTimeOffset", doc="Seconds that its end lies back.", default=0)
    min_value: float = setting("minMetricValue", doc="Value when there is no point.")
    ignore_null_values: bool = setting("ignoreNullValues", doc="No point is no failure.", default=True)
    target_value: float = target("targetMetricValue", doc="Value that one replica should carry.")
    activation_value: float = activation("activationTargetMetricValue")
    account: str = setting("awsAccountId", doc="Source account of a monitoring account.", default="")

    def check(self) -> Iterator[Problem]:
        if not self.expression:
            yield from self._metric_problems()
        yield from self._window_problems()
        yield from AwsAccess.check(self)

    def _metric_problems(self) -> Iterator[Problem]:
        for name, words, value in (
            ("namespace", "namespace", self.namespace),
            ("metricName", "metric name", self.metric),
            ("dimensionName", "dimension name", self.dimension_names),
            ("dimensionValue", "dimension value", self.dimension_values),
        ):
            if not value:
                yield Problem(name, f"{words} not given", "FieldValueRequired")
        names, values = self.dimension_names, self.dimension_values
        if names and values and len(names) != len(values):
            yield Problem("dimensionValue", "dimensionName and dimensionValue are not matching in size")
        if self.unit and self.unit not in UNITS:
            yield Problem("metricUnit", f'metricUnit "{self.unit}" is not one of {", ".join(UNITS)}')

    def _window_problems(self) -> Iterator[Problem]:
        period = self.period_s
        if period not in (1, 5, 10, 30) and (period < 1 or period % 60):
            message = f"metricStatPeriod must be 1, 5, 10, 30 or a multiple of 60, and it is {period}"
            yield Problem("metricStatPeriod", message)
        elif self.length_s <= 0 or self.length_s % period:
            message = (
                f"metricCollectionTime must be above 0 and a multiple of {period}, and it is {self.length_s}"
            )
            yield Problem("metricCollectionTime", message)

    def summary(self) -> str:
        return self.expression or f"{self.namespace} {self.metric}"

    def metric_name(self) -> str:
        return "aws-cloudwatch"

    async def measure(self, ask: Ask, now: datetime) -> float:
        what: Statistic | str = self.expression
        if not what:
            pairs = tuple(zip(self.dimension_names, self.dimension_values, strict=True))
            what = Statistic(self.namespace, self.metric, pairs, self.statistic, self.unit)
        end_s = window_end_s(now, self.period_s, self.offset_s)
        question = CloudwatchSeries(self.server(), what, self.period_s, end_s, self.length_s, self.account)
        value = await ask(question)
        if value is None and not self.ignore_null_values:
            answer = "there is no point in the window"
            raise Malformed("read the metric", on=question.server.label(), answer=answer)
        return self.min_value if value is None else number(value, question)
