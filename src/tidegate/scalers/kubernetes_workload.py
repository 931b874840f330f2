"""Number of pods that match a label selector, or of the nodes they run on.

```yaml
triggers:
- type: kubernetes-workload
  metadata:
    podSelector: app=backend, tier in (web, api)
    value: "0.5"
```

Pods of the object's own namespace count, also pending and terminating ones; those that have
succeeded or failed do not. With the value 0.5 there are two replicas for each matching pod.
With `groupByNode` it is the nodes that count, each once.
Choose a selector that does not match the scaled workload's own pods: it would feed on itself.

The selector knows `k`, `!k`, `k=v`, `k!=v`, `k in (a, b)`, `k notin (a, b)`, `k>1` and `k<1`; all
conditions must hold. `!=` and `notin` are also met by pods without the label.

Pods are counted as soon as one of those meant comes, ends or goes (at most once a second), not only at the
next poll: the watch that answers tells of it.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.base.selectors import parse_selector
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Pushed
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.calls import NO_CALL, Calls
from tidegate.kit.systems.kubernetes import PodCount


@declared
class KubernetesWorkload(Pushed):
    types: ClassVar[tuple[str, ...]] = ("kubernetes-workload",)
    cost: ClassVar[str] = "no request: the watch of pods answers"
    calls: ClassVar[Calls] = NO_CALL
    tested_against: ClassVar[str] = "the embedded API server (real)"

    pod_selector: str = setting("podSelector", doc="Label selector of the pods that count.")
    value: float = target("value", doc="Matching pods for each replica; above 0.", default=0.0)
    activation_value: float = activation("activationValue", doc="Active above this number.", default=0.0)
    group_by_node: bool = setting("groupByNode", doc="Count nodes instead of pods.", default=False)

    def check(self) -> Iterator[Problem]:
        try:
            parse_selector(self.pod_selector)
        except ValueError as error:
            yield Problem("podSelector", f"error parsing pod selector: {error}")
        if self.value <= 0 and not self.scope.is_metric_source:
            found = f"{self.value:g}" if self.value else "0 or not set"
            yield Problem("value", f"value must be a float greater than 0, and it is {found}")

    def summary(self) -> str:
        return self.pod_selector

    def metric_name(self) -> str:
        return normalize(f"workload-{self.scope.namespace}")

    def watch(self) -> PodCount:
        return PodCount(self.scope.namespace, self.pod_selector, self.group_by_node)

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = self.watch()
        return count(await ask(question), question)
