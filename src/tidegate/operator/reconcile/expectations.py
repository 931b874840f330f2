"""What we have asked for about the Jobs of a ScaledJob and the watch does not show yet.

Jobs that this process has asked for count from before the request leaves until the watch shows them, or
a read says that they are gone: a cache that lags behind must not lead to a second one. Jobs that it has
deleted are not deleted again while the watch still shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tidegate.core.values import JobView, Refusal

# A Job that was created and is not seen after this long is looked up by name.
UNSEEN_S = 10.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """A Job that was asked for: since when (monotonic), and how it will look."""

    since_s: float
    view: JobView


@dataclass(slots=True)
class Expectations:
    """Jobs by name: `unseen` ones that were created, `ending` ones that were deleted, and those whose
    deletion was `refused`.
    """

    unseen: dict[str, Expectation] = field(default_factory=dict)
    ending: set[str] = field(default_factory=set)
    refused: dict[str, Refusal] = field(default_factory=dict)

    def expect(self, views: Iterable[JobView], now_s: float) -> None:
        """These Jobs are about to be created."""
        self.unseen.update((view.name, Expectation(now_s, view)) for view in views)

    def observed(self, name: str) -> None:
        """The watch shows the Job, or it is known not to exist."""
        self.unseen.pop(name, None)

    def overdue(self, now_s: float) -> list[str]:
        """Names to look up: they should have been seen by now."""
        return [name for name, one in self.unseen.items() if now_s - one.since_s > UNSEEN_S]

    def deleted(self, name: str, *, is_absent: bool) -> None:
        """The Job is on its way out. One that is absent and was never shown does not exist: should a
        creation without an answer make it yet, it is like any other.
        """
        self.refused.pop(name, None)
        if is_absent and name in self.unseen:
            self.observed(name)
        else:
            self.ending.add(name)

    def refuse(self, causes: Mapping[str, str], now: datetime) -> dict[str, str]:
        """Jobs that could not be deleted, with the causes. Returns those that are news."""
        news = {
            name: cause
            for name, cause in causes.items()
            if name not in self.refused or self.refused[name].cause != cause
        }
        self.refused.update((name, Refusal(cause, now)) for name, cause in causes.items())
        return news

    def merged(self, shown: list[JobView]) -> list[JobView]:
        """The Jobs that the watch shows and those still unseen, with what we know of them."""
        for view in shown:
            self.observed(view.name)
        views = [*shown, *(one.view for one in self.unseen.values())]
        present = {view.name for view in views}
        self.ending &= present
        for name in self.refused.keys() - present:
            del self.refused[name]
        if not self.ending and not self.refused:
            return views
        return [
            replace(
                view,
                is_ending=view.is_ending or view.name in self.ending,
                refused=self.refused.get(view.name),
            )
            for view in views
        ]
