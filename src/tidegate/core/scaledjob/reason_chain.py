"""The chain of reasons of a ScaledJob's round: what the triggers say, then how the Jobs were counted.

triggers      active, inactive (each value with its activation), unknown
failures      of the Jobs that ended last
queue         the values, divided by their targets
strategy      what accurate, eager or custom takes off
maximum       what it leaves of that
outcome       how many Jobs are created; told by who counts them
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from tidegate.api.scaledjob import ScaledJobSpec
from tidegate.base.sentences import counted, written
from tidegate.core.reasons import Code, because
from tidegate.core.scaledjob import job_count
from tidegate.core.scaledjob.job_count import Queue, Range, Running
from tidegate.core.triggers.reasons import not_above, some_of, told_active, unread_reason
from tidegate.core.triggers.state import Summary
from tidegate.core.values import JobView, Reason, TriggerView

# More Jobs than any queue asks for: to tell what is wanted without a maximum.
_ENDLESS = 2**31
# What a first measurement holds; the minimum of Jobs does not wait for it.
BEFORE = "no Job is created for a queue before"
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Round:
    """What a round is decided from. `whole` is the queue with all that it asks for, whatever the maximum."""

    spec: ScaledJobSpec
    triggers: tuple[TriggerView, ...]
    summary: Summary
    queue: Queue
    running: Running
    whole: Queue

    @property
    def strategy(self) -> str:
        """The strategy that counts; without a moment of asking, custom and eager are served by default."""
        strategy = self.spec.scaling_strategy
        name = (strategy.strategy if strategy is not None else None) or "default"
        return name if name == "accurate" or self.running.is_asked else "default"

    @property
    def has_difference(self) -> bool:
        """Whether what is created is what is wanted less what is unfinished, and nothing else."""
        return self.strategy == "default" or not self.summary.active_metrics

    @property
    def mode(self) -> str:
        """How several triggers become one queue."""
        return job_count.mode_of(self.spec)

    @property
    def wanted(self) -> int:
        """The Jobs that the queue is worth; but for eager no more than it is long."""
        return self.whole.wanted if self.strategy == "eager" else min(self.whole.wanted, self.whole.length)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of the queue: triggers fail, and none is active."""
        return bool(self.summary.failures) and not self.summary.active_metrics

    def numbers(self) -> dict[str, int | str]:
        """Those of the sentences about the outcome; accurate and eager have told what is wanted."""
        minimum = job_count.range_of(self.spec).minimum
        beside = f" beside the minimum of {minimum}" if minimum else ""
        wanted = f"{self.wanted} wanted{beside}, " if self.has_difference else ""
        return {
            "queue": self.queue.length,
            "wanted": self.queue.wanted,
            "running": self.running.counted,
            "sum": f"{wanted}{self.running.counted} unfinished",
        }


def whole_round(
    spec: ScaledJobSpec,
    triggers: tuple[TriggerView, ...],
    summary: Summary,
    queue: Queue,
    running: Running,
) -> Round:
    """The round of this queue."""
    room, whole = job_count.range_of(spec), queue
    # The highest and the sum are whole unless the maximum cuts them; the others are made of cut parts.
    if queue.wanted >= room.scaled or job_count.mode_of(spec) not in ("max", "sum"):
        endless = Range(room.minimum, _ENDLESS, _ENDLESS)
        whole = job_count.queue_of(triggers, summary, job_count.mode_of(spec), endless)
    return Round(spec, triggers, summary, queue, running, whole)


def said(triggers: tuple[TriggerView, ...], summary: Summary) -> tuple[Reason, ...]:
    """What the triggers say, as the first links of the chain."""
    if summary.active_metrics:
        names = summary.active_metrics
        return (because(Code.ACTIVE, metrics=";".join(names), told=told_active(triggers, names)),)
    if summary.failures:
        failed, among = len(summary.failures), len(summary.states)
        who = some_of(failed, among)
        return (because(Code.QUEUE_UNKNOWN, who=who, failed=failed, triggers=among),)
    if summary.unread:
        return (unread_reason(summary, BEFORE),)
    return (*not_above(triggers, summary), because(Code.INACTIVE))


def failing(jobs: tuple[JobView, ...]) -> Iterator[Reason]:
    """That the Jobs which ended last have failed."""
    ended = sorted((one for one in jobs if one.is_finished), key=_moment)
    failed = 0
    for one in reversed(ended):
        if not one.is_failed:
            break
        failed += 1
    if failed:
        who = "the last Job that ended" if failed == 1 else f"the last {failed} Jobs that ended"
        yield because(Code.JOBS_FAILING, who=who, failed=failed)


def _moment(job: JobView) -> tuple[datetime, str]:
    """A Job that failed has no moment of completion: then its creation tells the order."""
    return job.completed_at or job.created_at or _NEVER, job.name


def counting_reasons(round: Round) -> Iterator[Reason]:
    """How the queue and the strategy come to a number of Jobs; nothing where nothing is queued."""
    if not round.summary.active_metrics:
        return
    yield because(Code.QUEUED, rule=_divided(round), queue=round.queue.length, asked=round.wanted)
    rule = _strategy(round)
    if rule:
        yield because(Code.STRATEGY, strategy=round.strategy, rule=rule)


def limited(round: Round, count: int) -> Iterator[Reason]:
    """That the maximum leaves fewer Jobs than the queue and the strategy ask for."""
    room, running = job_count.range_of(round.spec), round.running
    endless = Range(room.minimum, _ENDLESS, _ENDLESS)
    free = job_count.wanted_jobs(round.spec.scaling_strategy, round.whole, running, endless)
    is_told = round.strategy in ("accurate", "eager") and running.counted + count < room.maximum
    if count >= free or is_told:
        return
    ends = running.counted + 1 - room.maximum
    rest = f"{count} now" if count else f"none until {ends} {'has' if ends == 1 else 'have'} ended"
    is_default = round.spec.max_replica_count is None
    yield because(
        Code.JOBS_CAPPED,
        count=count,
        wanted=round.wanted,
        maximum=room.maximum,
        source="by default" if is_default else "by maxReplicaCount",
        running=running.counted,
        rest=rest,
    )


def _divided(round: Round) -> str:
    """`s0-redis-jobs: 50 at 1 per Job`; several become one queue first."""
    active = round.summary.active
    entries = [
        (metric, value)
        for trigger in round.triggers
        if trigger.index in active and trigger.reading is not None
        for metric, value in zip(trigger.metrics, trigger.reading.values, strict=False)
    ]
    if len(entries) == 1:
        metric, value = entries[0]
        return f"{metric.name}: {written(value)} at {written(metric.target)} per Job"
    return f"{round.mode} of {counted(len(entries), 'metric')}: a queue of {round.queue.length}"


def _strategy(round: Round) -> str:
    """The arithmetic of accurate, eager and custom in words; "" for default."""
    room, running, strategy = job_count.range_of(round.spec), round.running, round.spec.scaling_strategy
    busy = running.at_asking - room.minimum
    since = f", less {running.since} made since" if running.since else ""
    if round.strategy == "accurate":
        places = max(0, room.scaled - busy)
        pending = f"{round.wanted} wanted less {running.pending} pending"
        return f"{pending}, {places} of {room.scaled} places free{since}"
    if round.strategy == "eager":
        places = max(0, room.scaled - busy - running.pending)
        taken = f"{room.scaled} places less {busy} unfinished and {running.pending} pending"
        return f"{round.wanted} wanted, {taken} are {places}{since}"
    if round.strategy == "custom" and strategy is not None:
        deduction = strategy.custom_scaling_queue_length_deduction or 0
        text = strategy.custom_scaling_running_job_percentage
        share = job_count.share_of(text)
        if share is not None:
            off = int(max(0, busy) * share)
            taken = f"{deduction} by deduction and {off} for {busy} unfinished at {text} each"
            return f"{round.wanted} wanted less {taken}{since}"
    return ""
