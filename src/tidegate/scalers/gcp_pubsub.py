"""A metric of a Google Cloud Pub/Sub subscription or topic, such as its messages that wait.

```yaml
triggers:
- type: gcp-pubsub
  metadata:
    subscriptionName: projects/shop-prod/subscriptions/orders
    value: "10"
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

`mode` names any metric of the subscription or the topic: `SubscriptionSize` (messages not acknowledged),
`OldestUnackedMessageAge` (seconds), `PushRequestCount` … Distributions such as `AckLatencies` need an
`aggregation`. The account wants the role Monitoring Viewer.

The numbers come from Cloud Monitoring: once a minute, and up to four minutes late. The newest in
`timeHorizon` counts. A quiet subscription may have none: the value is then `valueIfNull`, or a failure
without it.

A name alone is looked for in the account's own project; with `podIdentity: gcp`, where the autoscaler's own
identity asks, in that of CLOUDSDK_CORE_PROJECT or of its credentials or machine. All triggers of an account
and a metric travel together, some 60 names to a call.

Source: https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-pubsub
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.identity import ServiceAccount
from tidegate.kit.question import Ask
from tidegate.kit.settings import (
    ENVIRONMENT,
    METADATA,
    Duration,
    activation,
    declared,
    removed,
    setting,
    target,
)
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.gcp_metrics import reducer, snake_case
from tidegate.kit.systems.gcp_monitoring import MonitoringAccess, NewestPoint, not_found

_ME = (METADATA, ENVIRONMENT)
_WHOLE = re.compile(r"projects/([a-z][a-zA-Z0-9-]*[a-zA-Z0-9])/(subscription|topic)s/([^/]*)")
_ID = re.compile(r"(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}", re.IGNORECASE)
_MODE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RENAMED = {"SubscriptionSize": "NumUndeliveredMessages"}


@declared
class GcpPubsub(MonitoringAccess):
    types: ClassVar[tuple[str, ...]] = ("gcp-pubsub",)
    cost: ClassVar[str] = (
        "one call for some 60 names of a project and metric, 16 at a time; woken at most every 30 s"
    )
    calls: ClassVar[Calls] = NewestPoint.calls
    tested_against: ClassVar[str] = "a fake of ours, written from Google's documentation of the API"

    subscription_name: str = setting("subscriptionName", doc="Subscription.", default="", sources=_ME)
    topic_name: str = setting("topicName", doc="Or topic.", default="", sources=_ME)
    mode: str = setting("mode", doc="Which metric.", default="SubscriptionSize")
    value: float = target("value", doc="Value that one replica should carry.", default=10.0)
    activation_value: float = activation("activationValue", default=0.0)
    aggregation: str = setting(
        "aggregation",
        doc="`mean`, `median`, `variance`, `stddev`, `sum`, `count`, `percentile99`.",
        default="",
    )
    time_horizon: Duration = setting("timeHorizon", doc="2m without it, 5m to aggregate.", default=0.0)
    value_if_null: float | None = setting("valueIfNull", doc="Value where there is no point.", default=None)
    subscription_size: str | None = removed(
        "subscriptionSize",
        message="The 'subscriptionSize' setting is removed - Use 'mode' and 'value' instead",
    )

    def check(self) -> Iterator[Problem]:
        yield from MonitoringAccess.check(self)
        kind, written, account = self._kind(), self._written(), self.account()
        project, found, name = self._parts(account)
        if bool(self.subscription_name) == bool(self.topic_name):
            yield Problem("subscriptionName", "exactly one of subscription or topic name must be given")
        elif not _ID.fullmatch(name) or found != kind:
            yield Problem(f"{kind}Name", f'"{written}" is neither a name nor projects/…/{kind}s/…')
        elif not project and account is not None:
            message = f"the credentials name no project; write projects/…/{kind}s/{written}"
            yield Problem(f"{kind}Name", message)
        if not _MODE.fullmatch(self.mode):
            yield Problem("mode", f'"{self.mode}" is not the name of a metric')
        if self.aggregation and not reducer(self.aggregation):
            yield Problem("aggregation", f"unsupported aggregation function: {self.aggregation}")

    def summary(self) -> str:
        return f"{self.mode} of {self._kind()} {self._written()}"

    def metric_name(self) -> str:
        return normalize(f"gcp-ps-{self._written()}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        kind, (project, _, name) = self._kind(), self._parts(self.server().account)
        metric = f"pubsub.googleapis.com/{kind}/{snake_case(_RENAMED.get(self.mode, self.mode))}"
        horizon_s = self.time_horizon or (300.0 if self.aggregation else 120.0)
        place = (f"pubsub_{kind}", f"{kind}_id", name)
        question = NewestPoint(self.server(), project, metric, *place, horizon_s, reducer(self.aggregation))
        found = await ask(question)
        if found is None and self.value_if_null is not None:
            return self.value_if_null
        if found is None:
            what = f"{metric} of {name} in the last {horizon_s:g} s"
            raise not_found(question, what, "raise `timeHorizon`, or set `valueIfNull`")
        return number(found, question)

    def _kind(self) -> str:
        return "subscription" if self.subscription_name else "topic"

    def _written(self) -> str:
        return self.subscription_name or self.topic_name

    def _parts(self, account: ServiceAccount | None) -> tuple[str, str, str]:
        """Project, kind and name; of a name alone, the account's project."""
        whole = _WHOLE.search(self._written())
        if whole is not None:
            return whole[1], whole[2], whole[3]
        return account.project if account is not None else "", self._kind(), self._written()
