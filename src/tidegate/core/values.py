"""The nouns of a decision: readings go in, memory, actions and reasons come out.

Only values live here. The steps that compute with them are the other files of this room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tidegate.api.conditions import Condition
from tidegate.base.errors import Failure
from tidegate.base.sentences import Sentence

TargetType = Literal["AverageValue", "Value", "Utilization"]


@dataclass(frozen=True, slots=True)
class ExternalMetric:
    """A metric that the HPA asks us for.

    `name` carries the trigger's index (`s0-redis-jobs`); `target` is in the metric's own unit.
    """

    name: str
    target: float
    target_type: TargetType = "AverageValue"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric as its server describes it: a name without index, and a target in the metric's own unit."""

    name: str
    target: float


@dataclass(frozen=True, slots=True)
class ResourceMetric:
    """A cpu or memory metric that the HPA reads itself; `target` as written by the user.

    `target` is whole percent for Utilization ("50"), a quantity for AverageValue ("500m").
    """

    name: str
    target: str
    target_type: TargetType
    container: str = ""


@dataclass(frozen=True, slots=True)
class NoTemplate(Failure):
    """Why no Job of a ScaledJob can be made at all."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a Job could not be deleted, and when that was tried."""

    cause: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Task:
    """The message that a Job was claimed for, and which Job of it this is: the first one is 1."""

    id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class JobView:
    """A Job of a ScaledJob. `generation` and `round` are its annotations ("" and 0 where they are missing).

    `is_pending`: unfinished, and no pod of it has started. A Job that was asked for and is not shown
    yet is one too: unfinished, pending, and otherwise as it was asked for. `is_ending`: it was deleted, and
    goes when its pods or finalizers let it. `refused` tells of the last attempt to delete it. `is_replaced`:
    it was made from a named Job, and another has taken that one's place. `task` is what it was claimed for;
    while it `is_guarded` it cannot go: its broker has still to hear how it ended. `ended_at` is when it did.
    """

    name: str
    uid: str = ""
    generation: str = ""
    round: int = 0
    is_finished: bool = False
    is_failed: bool = False
    is_pending: bool = False
    completed_at: datetime | None = None
    created_at: datetime | None = None
    is_ending: bool = False
    is_replaced: bool = False
    refused: Refusal | None = None
    task: Task | None = None
    is_guarded: bool = False
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a trigger said, and when: values, or a failure. Never both, never silently zero.

    `values` are parallel to the trigger's external metrics. `active` is the scaler's own verdict;
    None leaves the comparison with the activation target to `interpret`. `at` is the moment the
    question was sent. `snapshot` is what the asker saw of its own world then: for a ScaledJob its Jobs
    (`tuple[JobView, ...]`, or a `Failure` where they could not be listed), else None. `specs` are parallel to
    `values` where the server says itself which metrics it has.
    """

    at: datetime
    values: tuple[float, ...] = ()
    active: bool | None = None
    failure: Failure | None = None
    snapshot: Any = None
    specs: tuple[MetricSpec, ...] = ()

    def is_same_news(self, other: Reading | None) -> bool:
        """Whether `other` would lead to the same decision (its moment apart)."""
        return (
            other is not None
            and self.values == other.values
            and self.active == other.active
            and self.failure == other.failure
            and self.snapshot == other.snapshot
            and self.specs == other.specs
        )


@dataclass(frozen=True, slots=True)
class NextReading:
    """What a trigger that follows the clock will say next: `values` and `active` from `at` on.

    `at` None: it never changes. `local` is that moment on the clock it follows ("18:00 Europe/Berlin"),
    "" where that is UTC.
    """

    at: datetime | None = None
    values: tuple[float, ...] = ()
    active: bool | None = None
    local: str = ""


@dataclass(frozen=True, slots=True)
class TriggerView:
    """One trigger as a decision sees it: what it wants, and its kept reading (None: not asked yet).

    `failed_polls` are the polling intervals in a row that brought a failure; 0 for one that cannot be
    asked at all. `coming` is looked up for an outlook alone; no decision depends on it. `is_consumed` is
    the scaler's: a Job that succeeds takes away some of what is counted. `is_awaited`: it is wanted anew, and
    its turn in the budget of its server is still to come; nothing goes to zero and no Job starts before.
    """

    index: int
    type: str
    name: str = ""
    metrics: tuple[ExternalMetric, ...] = ()
    resource: ResourceMetric | None = None
    activation: float = 0.0
    reading: Reading | None = None
    failed_polls: int = 0
    next_reading: NextReading | None = None
    is_consumed: bool = False
    is_awaited: bool = False


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """What an HPA tells of cpu or memory: the mean over pods, in percent for Utilization."""

    name: str
    target_type: TargetType
    target: float
    value: float


@dataclass(frozen=True, slots=True)
class HpaView:
    """The object's HPA. `scaling_active` is its condition of that type, None while it has none; `is_new`:
    it has no conditions at all, since its controller has not looked at it yet."""

    name: str
    scaling_active: Condition | None = None
    resources: tuple[ResourceUse, ...] = ()
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cluster shows of a ScaledObject's world.

    `replicas` is the target's spec.replicas, `ready` how many of its pods are running and ready (None:
    nobody counted them; only a fallback of a Value metric needs them). `hpa` None: there is none;
    where it could not be written (a Failure), `hpa_before` is the one from before.
    `check` is what is wrong with the object itself (its triggers' metadata, its target, its HPA): stage
    and cause in one text. What still works goes on.
    """

    replicas: int | Failure
    hpa: HpaView | Failure | None = None
    check: Failure | None = None
    ready: int | Failure | None = None
    hpa_before: HpaView | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One link of the chain: a code from a closed set, one sentence, the numbers it used.

    The text is written when somebody reads it: most decisions are at rest, and nobody does.
    """

    code: str
    sentence: Sentence
    numbers: tuple[tuple[str, float | int | str], ...] = ()

    @property
    def text(self) -> str:
        return self.sentence.told(**dict(self.numbers))


# --- actions: what should be done, as values; the operator, the simulator and a dry run carry them out


@dataclass(frozen=True, slots=True)
class SetReplicas:
    """Write `replicas` through the target's /scale; then tell `then`, or `otherwise` where it failed."""

    replicas: int
    previous: int
    then: EmitEvent | None = None
    otherwise: EmitEvent | None = None


@dataclass(frozen=True, slots=True)
class DeleteHpa:
    name: str


@dataclass(frozen=True, slots=True)
class CreateJobs:
    """Claim round `round`, then create the Jobs with ordinals 0 … count-1 in parallel."""

    round: int
    count: int


@dataclass(frozen=True, slots=True)
class DeleteJobs:
    """Tell `before`, delete these Jobs, then tell `then`, once all are deleted; `propagation` is Background
    or Foreground, `why` a reason code.

    A Job that is gone already counts as deleted. One that is refused keeps no other.
    """

    names: tuple[str, ...]
    propagation: str
    why: str
    before: EmitEvent | None = None
    then: EmitEvent | None = None


@dataclass(frozen=True, slots=True)
class PatchStatus:
    """Merge patch of the object's status; sent only where it changes something."""

    status: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class EmitEvent:
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


Action = SetReplicas | DeleteHpa | CreateJobs | DeleteJobs | PatchStatus | EmitEvent


@dataclass(frozen=True, slots=True)
class Created:
    """The Jobs that one round asked for, by name. Kept until every reading is newer than `at`."""

    at: datetime
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LastRound:
    """When the last round was created, the generation of the object that it was created for, and the newest
    reading of an active trigger then. `refused` of its Jobs the API server did not take, for `refusal`.
    """

    at: datetime
    generation: int
    read: datetime | None = None
    refused: int = 0
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything a decision keeps. Small, serialisable; rebuilt from status after a restart.

    `is_active` is the last verdict (None: none yet), `failures` what was told of each failing
    trigger by index, `round` the last round of a ScaledJob, `created` the Jobs of rounds that some
    reading cannot know of, `last_round` the last one of this process since the last pause. `is_full`:
    the unfinished Jobs reached the maximum, as the last decision counted them. `failed_before` are the
    failures in a row, by metric, from before a restart, a pause or a change of its scaler: they count until
    the metric is read. `born` is when a ScaledObject was made, `original` its target's count as first seen:
    the first status may come when an HPA has changed it. `written_active` is the status's lastActiveTime as
    the last decision found it.
    """

    last_active: datetime | None = None
    written_active: str | None = None
    is_active: bool | None = None
    round: int = 0
    failures: tuple[tuple[int, str], ...] = ()
    created: tuple[Created, ...] = ()
    last_round: LastRound | None = None
    is_full: bool = False
    failed_before: tuple[tuple[str, int], ...] = ()
    born: datetime | None = None
    original: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Memory for the next time, what to do now, why, and when to decide again without news.

    `due` is the next moment at which the same inputs would decide otherwise (a cooldown's end),
    None when only news can change the decision.
    """

    memory: Memory
    actions: tuple[Action, ...] = ()
    reasons: tuple[Reason, ...] = ()
    due: datetime | None = None
