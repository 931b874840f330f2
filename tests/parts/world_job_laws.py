"""What holds in every random world at every change, for ScaledJobs. A broken law is said in words."""

from __future__ import annotations

import re
from typing import Any

from parts.random_world import Life, Lived
from parts.world_client import WHO
from parts.world_laws import Version, Versions
from tidegate.api.scaledjob import ScaledJob
from tidegate.core.control_annotations import PAUSED, is_set
from tidegate.core.scaledjob.job_count import range_of
from tidegate.kube.resource import JOBS
from tidegate.local.objects import Change
from tidegate.operator.cluster.writer import identity

# A look that could not be finished is repeated at least this often.
TOLD_WITHIN_S = 130.0


class JobLaws:
    """Watches who creates Jobs, how many there are, and what they find to do."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.versions = Versions(life)
        self.rounds: set[tuple[str, str, str]] = set()
        life.objects.subscribe([JOBS], self._on_change)
        life.workers.on_idle = self._on_idle

    def _on_change(self, change: Change) -> None:
        lived = self.life.lived(WHO.get())
        if change.type != "ADDED" or lived is None:
            return
        job = change.object
        uid, round = identity(job)
        ordinal = job["metadata"]["annotations"]["tidegate.dev/ordinal"]
        if (uid, round, ordinal) in self.rounds:
            self.life.breaks(f"{lived.name} created Job {ordinal} of round {round} a second time")
        self.rounds.add((uid, round, ordinal))
        self._is_within_maximum(lived)
        self.life.begin(self._is_told(lived, uid, round), "others")

    def _is_within_maximum(self, lived: Lived) -> None:
        """Counted from what the server has. Two operators at once may both fill the range."""
        recent = self.versions.recent()
        specs: list[Any] = [one.object.spec for one in recent]
        if not specs or all(is_set(one.object.metadata.annotations, PAUSED) for one in recent):
            self.life.breaks(f"{lived.name} created a Job while it was paused or gone")
            return
        most = max(range_of(spec).maximum for spec in specs)
        unfinished = len(self.life.unfinished())
        if unfinished > most and self.life.is_ever_alone:
            self.life.breaks(f"{lived.name} has made {unfinished} unfinished Jobs, and the maximum is {most}")

    async def _is_told(self, lived: Lived, uid: str, round: str) -> None:
        await self.life.clock.sleep(TOLD_WITHIN_S)
        tracked = lived.tracked(*self.life.subject)
        if lived.client.is_dead or tracked is None or tracked.uid != uid:
            return
        told = [one for one in lived.operator.steps.history_store.of(uid) if _tells_of(one, int(round))]
        if not told:
            self.life.breaks(f"the history does not tell of the Jobs of round {round}")
        elif not any(one["numbers"] for one in told[0]["reasons"]):
            self.life.breaks(f"nothing says why round {round} was created: {told[0]['reasons']}")

    def _on_idle(self, name: str) -> None:
        """With `default` and workers that claim their message, no Job is made for nothing."""
        if self.life.is_ever_alone and not self.life.is_drained_by_others and self._counts_messages():
            self.life.breaks(f"Job {name} found no message: it is one too many")

    def _counts_messages(self) -> bool:
        """Whether every version so far asks for one Job per message at most."""
        return all(_is_plain(one) for one in self.versions.all)


def _tells_of(line: dict[str, Any], round: int) -> bool:
    """Whether a line of the history is about the round; one that was counted on names the last of several."""
    found = re.search(r"in round ([0-9]+)$", line["what"].split(";")[0])
    return found is not None and (int(found[1]) == round or (line["count"] > 1 and int(found[1]) > round))


def _is_plain(version: Version) -> bool:
    object: ScaledJob = version.object
    strategy = object.spec.scaling_strategy
    name = (strategy.strategy if strategy is not None else None) or "default"
    mode = (strategy.multiple_scalers_calculation if strategy is not None else None) or "max"
    lists = [one for one, _, _ in version.lists()]
    return (
        name == "default" and mode == "max" and not object.spec.min_replica_count and set(lists) == {"jobs"}
    )
