"""What the operator counts of its own work: plain numbers that only grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tidegate.core.values import Action, CreateJobs, DeleteHpa, DeleteJobs, SetReplicas
from tidegate.kube.resource import Resource


@dataclass(slots=True)
class Tallies:
    """Decisions, what was carried out of them (`scaled`, `jobs_created`, `jobs_deleted`, `hpas_deleted`),
    reconciles by how they ended (`success`, `error`), and questions of HPAs.
    """

    decisions: Counter[Resource] = field(default_factory=Counter)
    actions: Counter[tuple[Resource, str]] = field(default_factory=Counter)
    reconciles: Counter[tuple[Resource, str]] = field(default_factory=Counter)
    questions: int = 0

    def acted(self, resource: Resource, done: Iterable[Action]) -> None:
        """Counts what was carried out; Jobs one by one."""
        for action in done:
            match action:
                case SetReplicas():
                    self.actions[resource, "scaled"] += 1
                case CreateJobs(count=count):
                    self.actions[resource, "jobs_created"] += count
                case DeleteJobs(names=names):
                    self.actions[resource, "jobs_deleted"] += len(names)
                case DeleteHpa():
                    self.actions[resource, "hpas_deleted"] += 1
                case _:
                    pass
