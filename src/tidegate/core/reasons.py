"""The closed set of reasons: one code for each way a step may change or hold a number.

Conditions, events, `explain`, the dashboard and the simulator print the same chain, so a sentence
is written once, here. Add a code with its sentence; never change what an existing code means.
"""

from __future__ import annotations

from enum import StrEnum

from tidegate.base.sentences import Sentence, sentences
from tidegate.core.values import Reason


class Code(StrEnum):
    """Each value is what people and tools see; `SENTENCES` has its sentence."""

    # what the triggers say
    ACTIVE = "Active"
    FORCED = "ForcedActive"
    NATIVE_ONLY = "OnlyResourceTriggers"
    INACTIVE = "Inactive"
    UNKNOWN = "Unknown"
    UNREAD = "NotMeasuredYet"
    # fallback and formula
    FALLBACK = "FallbackActive"
    FALLBACK_PENDING = "FallbackPending"
    FALLBACK_IMPOSSIBLE = "FallbackImpossible"
    FALLBACK_NIL = "FallbackLeftToFormula"
    COMPOSITE = "Composite"
    COMPOSITE_FALLBACK = "CompositeFallback"
    COMPOSITE_UNKNOWN = "CompositeUnknown"
    COMPOSITE_HELD = "CompositeHeld"
    # 0 <-> 1 <-> idle
    ACTIVATED = "Activated"
    DEACTIVATED = "Deactivated"
    RAISED_TO_MIN = "RaisedToMinimum"
    COOLDOWN = "Cooldown"
    INITIAL_COOLDOWN = "InitialCooldown"
    LEFT_TO_HPA = "LeftToHpa"
    RESTING = "Resting"
    SCALE_IN_PAUSED = "ScaleInPaused"
    SCALE_OUT_PAUSED = "ScaleOutPaused"
    PAUSED = "Paused"
    PAUSED_AT = "PausedAtReplicas"
    PAUSE_UNREADABLE = "PausedReplicasUnreadable"
    TARGET_UNREADABLE = "TargetUnreadable"
    # the HPA's arithmetic
    HPA_DISABLED = "HpaDisabled"
    ABOVE_MAX = "AboveMaximum"
    BELOW_MIN = "BelowMinimum"
    METRICS_MISSING = "MetricsMissing"
    PROPOSED = "Proposed"
    TOLERATED = "WithinTolerance"
    SCALE_DOWN_STABILIZED = "ScaleDownStabilized"
    SCALE_UP_STABILIZED = "ScaleUpStabilized"
    SCALE_DOWN_LIMITED = "ScaleDownLimited"
    SCALE_UP_LIMITED = "ScaleUpLimited"
    CAPPED = "CappedAtMaximum"
    FLOORED = "HeldAtMinimum"
    # rounds of a ScaledJob
    JOBS_UNREADABLE = "JobsUnreadable"
    JOBS_CREATED = "JobsCreated"
    MINIMUM_JOBS = "MinimumJobs"
    ENOUGH_JOBS = "EnoughJobs"
    JOBS_CAPPED = "JobsCapped"
    JOBS_PENDING = "JobsPending"
    HISTORY_TRIMMED = "HistoryTrimmed"
    ROLLED_OUT = "RolledOut"


SENTENCES: dict[Code, Sentence] = sentences(
    {
        Code.ACTIVE: "{metrics} above activation",
        Code.FORCED: "activation is forced by annotation",
        Code.NATIVE_ONLY: "only cpu and memory triggers: always active",
        Code.INACTIVE: "no trigger is active",
        Code.UNKNOWN: "{failed} of {triggers:trigger} cannot be read and none is active: the number is held",
        Code.UNREAD: "{unread} of {triggers:trigger} not measured yet: the number is held",
        Code.FALLBACK: "{metric} failed {failed:time}, threshold {threshold}: "
        "{replicas:replica} ({behavior})",
        Code.FALLBACK_PENDING: "{metric} failed {failed:time}: the fallback counts above {threshold}",
        Code.FALLBACK_IMPOSSIBLE: "{metric} failed {failed:time}, threshold {threshold}, "
        "but the fallback is unknown: {failure}",
        Code.FALLBACK_NIL: "{metric} failed {failed:time}, threshold {threshold}: nil in the formula",
        Code.COMPOSITE: "the formula gives {value} ({sources}), active above {activation}",
        Code.COMPOSITE_FALLBACK: "composite-metric is {value} by the fallback for a target of {target}",
        Code.COMPOSITE_UNKNOWN: "the formula has no value: {failure}",
        Code.COMPOSITE_HELD: "composite-metric is unknown: {current:replica} held",
        Code.ACTIVATED: "raised from {current} to {replicas}",
        Code.DEACTIVATED: "lowered from {current} to {replicas}",
        Code.RAISED_TO_MIN: "raised from {current} to the minimum {replicas}",
        Code.COOLDOWN: "{current} kept: last active {idle_s} s ago, cooldown {cooldown_s} s",
        Code.INITIAL_COOLDOWN: "{current} kept: created {age_s} s ago, initial cooldown {cooldown_s} s",
        Code.LEFT_TO_HPA: "{current:replica}: the HPA decides between its bounds",
        Code.RESTING: "{current:replica} wanted while nothing is active",
        Code.SCALE_IN_PAUSED: "{current} kept: scale-in is paused by annotation",
        Code.SCALE_OUT_PAUSED: "{current} kept: scale-out is paused by annotation",
        Code.PAUSED: "paused by annotation",
        Code.PAUSED_AT: "paused at {replicas:replica} by annotation, {current} now",
        Code.PAUSE_UNREADABLE: 'paused, but paused-replicas "{text}" is not a replica count',
        Code.TARGET_UNREADABLE: "the replica count of the target cannot be read: {failure}",
        Code.HPA_DISABLED: "scaling is disabled at 0 replicas",
        Code.ABOVE_MAX: "{current} is above the maximum {maximum}",
        Code.BELOW_MIN: "{current} is below the minimum {minimum}",
        Code.METRICS_MISSING: "{failed} of {metrics:metric} cannot be read: {current} held",
        Code.PROPOSED: "{metric} is {value} for a target of {target}: {replicas:replica}",
        Code.TOLERATED: "{metric} is {value} for a target of {target}: within tolerance, {replicas} kept",
        Code.SCALE_DOWN_STABILIZED: "{replicas} instead of {wanted}: recommended in the last {window_s} s",
        Code.SCALE_UP_STABILIZED: "{replicas} instead of {wanted}: recommended in the last {window_s} s",
        Code.SCALE_DOWN_LIMITED: "{replicas} instead of {wanted}: scale-down policies",
        Code.SCALE_UP_LIMITED: "{replicas} instead of {wanted}: scale-up policies",
        Code.CAPPED: "{replicas} instead of {wanted}: the maximum",
        Code.FLOORED: "{replicas} instead of {wanted}: the minimum",
        Code.JOBS_UNREADABLE: "the Jobs cannot be listed, so none is created: {failure}",
        Code.JOBS_CREATED: "{count:Job} for a queue of {queue} (wanted {wanted}, unfinished {running})",
        Code.MINIMUM_JOBS: "{count:Job} towards the minimum {minimum} (unfinished {running})",
        Code.ENOUGH_JOBS: "no Job for a queue of {queue} (wanted {wanted}, unfinished {running})",
        Code.JOBS_CAPPED: "{count:Job} instead of {wanted}: at most {maximum} unfinished",
        Code.JOBS_PENDING: "{pending:unfinished Job} pending, which {strategy} subtracts",
        Code.HISTORY_TRIMMED: "{count:finished Job} above the history limits deleted",
        Code.ROLLED_OUT: "{count:Job} of another generation deleted",
    }
)


def because(code: Code, **numbers: float | int | str) -> Reason:
    """The reason with this code; `numbers` are those its sentence names (KeyError otherwise)."""
    return Reason(code.value, SENTENCES[code].told(**numbers), tuple(numbers.items()))
