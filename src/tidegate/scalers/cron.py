"""A window of time: `desiredReplicas` inside it, 0 outside.

```yaml
triggers:
- type: cron
  metadata:
    timezone: Europe/Berlin
    start: 0 8 * * 1-5
    end: 0 18 * * 1-5
    desiredReplicas: "10"
```

`start` opens the window and `end` closes it; the opening instant is inside, the closing one is not.
Both have five fields: minute, hour, day of month, month or `jan`-`dec`, day of week 0-6 or
`sun`-`sat` (Sunday is 0; 7 is an error). A field is a list of `*`, `n`, `a-b`, each with an optional
`/step`. If neither day field is `*`, a day that matches either of them counts.
Local times that a clock change skips do not occur on that day, those that it repeats occur twice.
A prefix such as `TZ=UTC ` gives one expression a zone of its own.

The window is never polled: its next edge is known. Outside of it the value is 0; how fast replicas
then go is a matter of the HPA's stabilisation and of `cooldownPeriod`.
With several windows the largest value wins; they do not add up.

Source: https://pkg.go.dev/github.com/robfig/cron/v3
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base import cron
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.base.sentences import counted
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Clocked, Measured
from tidegate.kit.settings import declared, setting

_IN_NAMES = ((" ", ""), ("\t", ""), ("*", "x"), ("/", "Sl"), ("?", "Qm"), (",", "Cm"))


@declared
class Cron(Clocked):
    types: ClassVar[tuple[str, ...]] = ("cron",)

    timezone: str = setting("timezone", doc="IANA zone in which both expressions are read.")
    start: str = setting("start", doc="Opens the window.")
    end: str = setting("end", doc="Closes the window.")
    desired_replicas: int = setting("desiredReplicas", doc="Replicas inside the window; not 0.")

    def check(self) -> Iterator[Problem]:
        for name, text in (("start", self.start), ("end", self.end)):
            try:
                cron.Schedule.parse(text)
            except ValueError as error:
                yield Problem(name, f"error parsing {name} schedule: {error}")
        if self.start == self.end:
            yield Problem("end", "start and end can not have exactly same time input")
        if self.desired_replicas == 0:
            yield Problem("desiredReplicas", '"0" counts as no desiredReplicas specified; write 1 or more')
        try:
            cron.find_zone(self.timezone)
        except ValueError as error:
            yield Problem("timezone", f"unable to load timezone: {error}")

    def summary(self) -> str:
        replicas = counted(self.desired_replicas, "replica")
        return f"{self.start} to {self.end} {self.timezone}, {replicas}"

    def metric_name(self) -> str:
        return normalize(f"cron-{self.timezone}-{_in_name(self.start)}-{_in_name(self.end)}")

    def metric_target(self) -> float:
        return 1.0

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        opens, closes = self._edges(now)
        is_inside = is_open(opens, closes)
        return Measured((float(self.desired_replicas) if is_inside else 0.0,), is_inside)

    def next_change(self, now: datetime) -> datetime | None:
        opens, closes = self._edges(now)
        if opens is None or closes is None:
            return None
        return min(opens, closes)

    def zone(self) -> str:
        return self.timezone

    def _edges(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """The next opening and the next closing after `now`; None for one that never comes."""
        start, end = cron.Schedule.parse(self.start), cron.Schedule.parse(self.end)
        return start.next(now, self.timezone), end.next(now, self.timezone)


def is_open(opens: datetime | None, closes: datetime | None) -> bool:
    """Whether the window is open, given its next edges: it is if it closes before it opens again.

    A window that never closes counts as never open, one that closes but never opens, or never
    does either, as always open. Source: KEDA takes "never" for the year 1.
    """
    if opens is None:
        return True
    return closes is not None and closes <= opens


def _in_name(expression: str) -> str:
    for sign, letters in _IN_NAMES:
        expression = expression.replace(sign, letters)
    return expression
