"""The words of an outlook: a code and a sentence for each way in which something may turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tidegate.base.errors import Failure
from tidegate.base.sentences import Sentence, sentences
from tidegate.base.times import format_time
from tidegate.core.messages import cause
from tidegate.core.values import ExternalMetric, NextReading, TriggerView


class Turn(StrEnum):
    """Each way in which something may turn; `SENTENCES` has its words."""

    UNPAUSE = "Unpause"
    UNPAUSE_IN = "UnpauseScaleIn"
    UNPAUSE_OUT = "UnpauseScaleOut"
    UNFORCE = "StopForcing"
    ACTIVATES = "Activates"
    STAYS = "StaysActive"
    DEACTIVATES = "Deactivates"
    BLIND = "HpaBlind"
    MORE = "MoreReplicas"
    RAISING = "Raising"
    MOST = "AtMaximum"
    ABOVE_MOST = "AboveMaximum"
    NEVER_RAISED = "ScaleUpDisabled"
    FEWER = "FewerReplicas"
    LOWERING = "Lowering"
    LEAST = "AtMinimum"
    NEVER_LOWERED = "ScaleDownDisabled"
    COOLED = "CooledDown"
    OPENS = "Opens"
    CLOSES = "Closes"
    CHANGES = "Changes"
    ENDLESS = "NeverChanges"
    READABLE = "Readable"
    FORMULA = "FormulaValue"
    MEASURED = "Measured"
    FALLS_BACK = "FallsBack"
    RECOVERS = "Recovers"
    CORRECTED = "Corrected"
    MENDED = "TriggerCorrected"
    TARGET = "TargetReadable"
    # of a ScaledJob
    JOBS_MENDED = "JobsTriggerCorrected"
    JOBS_READABLE = "JobsReadable"
    JOBS_ACTIVATE = "JobsActivate"
    LISTED = "Listed"
    ROOM = "Room"
    CROWDED = "Crowded"
    BEGUN = "Begun"
    MORE_JOBS = "MoreJobs"
    NEXT_JOBS = "NextReading"


SENTENCES: dict[Turn, Sentence] = sentences(
    {
        Turn.UNPAUSE: "nothing changes until {annotations} removed",
        Turn.UNPAUSE_IN: "nothing is lowered until the annotation {annotation} is removed",
        Turn.UNPAUSE_OUT: "nothing is raised until the annotation {annotation} is removed",
        Turn.UNFORCE: "it counts as active until the annotation {annotation} is removed",
        Turn.ACTIVATES: "{metric} activates above {activation} ({value} now): {replicas:replica} at least",
        Turn.STAYS: "{metric} above {activation} ({value} now): it is active{again}, "
        "the cooldown ends and the count stays {replicas}",
        Turn.DEACTIVATES: "{conditions}: nothing is active, {replicas:replica} {later}",
        Turn.BLIND: "the HPA must read its metrics again before it raises or lowers ({reason})",
        Turn.MORE: "{metric} at {at} ({value} now): {replicas:replica}",
        Turn.RAISING: "{metric} asks for {replicas:replica} now{value}: raised at the HPA's next syncs, "
        "as fast as its policies allow",
        Turn.MOST: "the HPA raises no further: the maximum is {replicas:replica}",
        Turn.ABOVE_MOST: "{current:replica} are above the maximum {maximum}: lowered at the HPA's next sync",
        Turn.NEVER_RAISED: "the HPA raises nothing: behavior.scaleUp.selectPolicy is Disabled",
        Turn.FEWER: "{conditions}: {replicas:replica}, {window_s} s after the last higher recommendation",
        Turn.LOWERING: "{asked} for {replicas:replica}: lowered at the HPA's next syncs, "
        "{window_s} s after the last higher recommendation",
        Turn.LEAST: "the HPA lowers no further: its minimum is {replicas:replica}{beyond}",
        Turn.NEVER_LOWERED: "the HPA lowers nothing: behavior.scaleDown.selectPolicy is Disabled",
        Turn.COOLED: "at {when}: {replicas:replica}{field}, if nothing becomes active before",
        Turn.OPENS: "{metric}: the window opens at {when}{local}: {then}",
        Turn.CLOSES: "{metric}: the window closes at {when}{local}: {then}",
        Turn.CHANGES: "{metric} changes at {when}{local}: {then}",
        Turn.ENDLESS: "{metric} follows a clock that will never change it",
        Turn.READABLE: "{metric} must be readable again before anything is {what}",
        Turn.FORMULA: "the formula must give a number before anything is {what}",
        Turn.MEASURED: "{metric} is to be measured for the first time",
        Turn.FALLS_BACK: "after {polls:more failed poll} of {metric}, at about {when}: {then}",
        Turn.RECOVERS: "{metric} is in fallback until it can be read again",
        Turn.CORRECTED: "the object must be corrected: {failure}",
        Turn.MENDED: "{metric} must be corrected before anything is {what}",
        Turn.TARGET: "the target must be there with a readable replica count before anything changes",
        Turn.JOBS_MENDED: "{metric} must be corrected before it starts Jobs",
        Turn.JOBS_READABLE: "{metric} must be readable again before it starts Jobs",
        Turn.JOBS_ACTIVATE: "{metric} starts Jobs above {activation} ({value} now)",
        Turn.LISTED: "the Jobs must be listed again before any is created",
        Turn.ROOM: "a Job that ends makes room{when}: {running} of {maximum} are unfinished",
        Turn.CROWDED: "{ends:Job} must end before another begins: {running} are unfinished, "
        "at most {maximum} may be",
        Turn.BEGUN: "pods of the pending Jobs begin: {pending} of the unfinished wait for theirs",
        Turn.NEXT_JOBS: "the next reading starts {count:Job} if it says the same",
        Turn.MORE_JOBS: "{metric} above {at} ({value} now): another Job",
    }
)


@dataclass(frozen=True, slots=True)
class Prospect:
    """One thing that would change the number: a code, one sentence, its numbers, and when, if known."""

    code: str
    text: str
    numbers: tuple[tuple[str, float | int | str], ...] = ()
    at: datetime | None = None


def turn(code: Turn, **numbers: float | int | str) -> Prospect:
    """The prospect with this code; `numbers` are those its sentence names, and others for programs."""
    return Prospect(code.value, SENTENCES[code].told(**numbers), tuple(numbers.items()))


def dated(code: Turn, moment: datetime, **numbers: float | int | str) -> Prospect:
    """A prospect of this moment."""
    return replace(turn(code, when=format_time(moment), **numbers), at=moment)


def edge(trigger: TriggerView, name: str, next_reading: NextReading, then: str) -> Prospect:
    """What a trigger that follows the clock does next."""
    if next_reading.at is None:
        return turn(Turn.ENDLESS, metric=name)
    before = trigger.reading.active if trigger.reading is not None else None
    code = Turn.CHANGES
    if before != next_reading.active:
        code = Turn.OPENS if next_reading.active else Turn.CLOSES
    local = f" ({next_reading.local})" if next_reading.local else ""
    return dated(code, next_reading.at, metric=name, local=local, then=then)


def removed(annotations: list[str]) -> str:
    """`the annotation a is`, `the annotations a and b are`."""
    noun, verb = ("annotation", "is") if len(annotations) == 1 else ("annotations", "are")
    return f"the {noun} {' and '.join(annotations)} {verb}"


def corrected(check: Failure | None, told: Iterable[Failure]) -> Iterator[Prospect]:
    """That the object is wrong, and how: but for what is told at its place, of a trigger or the target."""
    if check is None:
        return
    rest = check.message
    for one in told:
        rest = rest.replace(one.message, "")
    # What is left then is the stage, and what joined them.
    if rest.strip(" ;") and not rest.strip(" ;").endswith(":"):
        yield turn(Turn.CORRECTED, failure=cause(check.message))


def is_wrong(failure: Failure, check: Failure | None) -> bool:
    """Whether a trigger fails because of how it is written, and not because of its server."""
    return check is not None and failure.message in check.message


def called(trigger: TriggerView) -> str:
    """What people call a trigger."""
    return name_of(trigger.index, trigger.type, trigger.name, trigger.metrics)


def name_of(index: int, type: str, name: str | None, metrics: Iterable[ExternalMetric]) -> str:
    """Its metrics, or its name, or its place."""
    return ";".join(metric.name for metric in metrics) or name or f"triggers[{index}] ({type})"
