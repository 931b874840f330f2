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
    NOT_ABOVE = "NotAboveActivation"
    INACTIVE = "Inactive"
    UNKNOWN = "Unknown"
    UNREAD = "NotMeasuredYet"
    # fallback and formula
    FALLBACK = "FallbackActive"
    FALLBACK_PENDING = "FallbackPending"
    FALLBACK_IMPOSSIBLE = "FallbackImpossible"
    FALLBACK_NIL = "FallbackLeftToFormula"
    COMPOSITE = "Composite"
    COMPOSITE_INACTIVE = "CompositeInactive"
    COMPOSITE_FALLBACK = "CompositeFallback"
    COMPOSITE_UNKNOWN = "CompositeUnknown"
    COMPOSITE_HELD = "CompositeHeld"
    # 0 <-> 1 <-> idle
    ACTIVATED = "Activated"
    DEACTIVATED = "Deactivated"
    RAISED_TO_MIN = "RaisedToMinimum"
    COOLDOWN = "Cooldown"
    INITIAL_COOLDOWN = "InitialCooldown"
    TURN_AWAITED = "TurnAwaited"
    LEFT_TO_HPA = "LeftToHpa"
    WITHOUT_HPA = "WithoutHpa"
    RESTING = "Resting"
    SCALE_IN_PAUSED = "ScaleInPaused"
    SCALE_OUT_PAUSED = "ScaleOutPaused"
    PAUSED = "Paused"
    PAUSED_AT = "PausedAtReplicas"
    PAUSE_UNREADABLE = "PausedReplicasUnreadable"
    TARGET_UNREADABLE = "TargetUnreadable"
    # what the HPA is told, and asks for
    ASKED = "Asked"
    ASKED_MOST = "AskedMost"
    HPA_LOWERS_NOT = "HpaScaleInPaused"
    HPA_RAISES_NOT = "HpaScaleOutPaused"
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
    QUEUE_UNKNOWN = "QueueUnknown"
    QUEUED = "Queued"
    STRATEGY = "StrategyCounted"
    JOBS_HELD = "JobsHeld"
    JOBS_FAILING = "JobsFailing"
    TEMPLATE_MISSING = "TemplateMissing"
    JOBS_CREATED = "JobsCreated"
    MINIMUM_JOBS = "MinimumJobs"
    ENOUGH_JOBS = "EnoughJobs"
    JOBS_CAPPED = "JobsCapped"
    JOBS_PACED = "JobsPaced"
    JOBS_WAIT = "JobsWait"
    JOBS_AWAIT_TURN = "JobsAwaitTurn"
    JOBS_REFUSED = "JobsRefused"
    JOBS_PENDING = "JobsPending"
    HISTORY_TRIMMED = "HistoryTrimmed"
    ROLLED_OUT = "RolledOut"
    # claimed work
    CLAIMS_UNKNOWN = "ClaimsUnknown"
    CLAIMS_UNANSWERED = "ClaimsUnanswered"
    CLAIMS_ASKED = "ClaimsAsked"
    CLAIMS_STARTED = "ClaimsStarted"
    CLAIMS_UNSTARTED = "ClaimsUnstarted"
    CLAIMS_FULL = "ClaimsFull"
    CLAIMS_NONE = "ClaimsNone"
    CLAIMS_REST = "ClaimsRest"
    CLAIMS_SPENT = "ClaimsSpent"
    CLAIMS_PAUSED = "ClaimsPaused"
    CLAIMS_ENDING = "ClaimsEnding"


SENTENCES: dict[Code, Sentence] = sentences(
    {
        Code.ACTIVE: "{told}",
        Code.FORCED: "activation is forced by annotation",
        Code.NATIVE_ONLY: "only cpu and memory triggers: always active",
        Code.NOT_ABOVE: "{metric} is {value}, not above its activation {activation}",
        Code.INACTIVE: "no trigger is active",
        Code.UNKNOWN: "{who} cannot be read: {current:replica} kept, {rule}",
        Code.UNREAD: "{who} not measured yet: {rule}",
        Code.FALLBACK: "{metric} failed more than {threshold:time}: "
        "{replicas:replica} by the fallback ({behavior})",
        Code.FALLBACK_PENDING: "{metric} failed {failed:time}; "
        "after {polls:more failed poll}, at about {when}: {then}",
        Code.FALLBACK_IMPOSSIBLE: "{metric} failed more than {threshold:time}, "
        "but the fallback is unknown: {failure}",
        Code.FALLBACK_NIL: "{metric} failed more than {threshold:time}: nil in the formula",
        Code.COMPOSITE: "the formula gives {value} ({sources}), active above {activation}",
        Code.COMPOSITE_INACTIVE: "the formula's {value} is not above its activationTarget {activation}",
        Code.COMPOSITE_FALLBACK: "composite-metric is {value} by the fallback for a target of {target}",
        Code.COMPOSITE_UNKNOWN: "the formula has no value: {failure}",
        Code.COMPOSITE_HELD: "composite-metric is unknown: {current:replica} kept",
        Code.ACTIVATED: "raised from {current} to {replicas}",
        Code.DEACTIVATED: "lowered from {current} to {replicas}{floor}: {since}, "
        "{period} {cooldown_s} s is over",
        Code.RAISED_TO_MIN: "raised from {current} to the minimum {replicas}",
        Code.COOLDOWN: "{current:replica} kept: {since}, {period} {cooldown_s} s: until {until}",
        Code.INITIAL_COOLDOWN: "{current:replica} kept: {since}, {period} {cooldown_s} s: until {until}",
        Code.TURN_AWAITED: "{current:replica} kept until the triggers have been read again: "
        "the budget of their server's calls lets them wait",
        Code.LEFT_TO_HPA: "{current:replica}: the HPA decides between its bounds",
        Code.WITHOUT_HPA: "{current:replica} kept: it is active, and there is no HPA to decide from 1 on",
        Code.RESTING: "{current:replica} while nothing is active: {rule}",
        Code.SCALE_IN_PAUSED: "{current:replica} kept: scale-in is paused by annotation",
        Code.SCALE_OUT_PAUSED: "{current:replica} kept: scale-out is paused by annotation",
        Code.PAUSED: "paused by annotation",
        Code.PAUSED_AT: "paused at {replicas:replica} by annotation, {current} now",
        Code.PAUSE_UNREADABLE: 'paused, but paused-replicas "{text}" is not a replica count',
        Code.TARGET_UNREADABLE: "the replica count of the target cannot be read: {failure}",
        Code.ASKED: "{metric}: {value} {rule} asks for {replicas:replica}{note}",
        Code.ASKED_MOST: "{metric} asks for most: {replicas:replica}",
        Code.HPA_LOWERS_NOT: "the HPA lowers nothing: scale-in is paused by annotation",
        Code.HPA_RAISES_NOT: "the HPA raises nothing: scale-out is paused by annotation",
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
        Code.QUEUE_UNKNOWN: "{who} cannot be read: the queue is unknown",
        Code.QUEUED: "{rule}, {asked:Job} wanted",
        Code.STRATEGY: "{strategy}: {rule}",
        Code.JOBS_HELD: "no Job is created while the queue is unknown ({running} unfinished)",
        Code.JOBS_FAILING: "{who} failed",
        Code.TEMPLATE_MISSING: "no Job can be made: {failure}",
        Code.JOBS_CREATED: "{count:Job}: {sum}",
        Code.MINIMUM_JOBS: "{count:Job} towards the minimum {minimum} (unfinished {running})",
        Code.ENOUGH_JOBS: "no Job is created: {sum}",
        Code.JOBS_CAPPED: "{wanted} wanted, at most {maximum} {source}, {running} unfinished: {rest}",
        Code.JOBS_PACED: "{count:Job} not before {at}: one round per polling interval of {interval_s} s",
        Code.JOBS_AWAIT_TURN: "{count:Job} for a queue of {queue} once it has been read again: "
        "the budget of its server's calls lets it wait",
        Code.JOBS_WAIT: "{count:Job} for a queue of {queue} at the next reading: this one had its round",
        Code.JOBS_REFUSED: "the API server refused {refused:Job} of the last round: {refusal}",
        Code.JOBS_PENDING: "{pending:unfinished Job} pending, which {strategy} subtracts",
        Code.HISTORY_TRIMMED: "{count:finished Job} above the history limits deleted",
        Code.ROLLED_OUT: "{count:Job} of the previous version deleted",
        Code.CLAIMS_UNKNOWN: "the broker has not said yet which messages are claimed",
        Code.CLAIMS_UNANSWERED: "nothing is claimed while asking the broker fails: {failure}",
        Code.CLAIMS_ASKED: "messages are claimed: {held} held, at most {maximum}",
        Code.CLAIMS_STARTED: "{count:Job} for {held:claimed message}",
        Code.CLAIMS_UNSTARTED: "{count:claimed message} without a Job yet: {why}",
        Code.CLAIMS_FULL: "no message is claimed: {held} held and {running:other unfinished Job}, "
        "at most {maximum}",
        Code.CLAIMS_NONE: "no message is claimed: the queue has none ({held} held)",
        Code.CLAIMS_REST: "claiming rests until {until}: the last {failed:Job} failed within {quick_s} s",
        Code.CLAIMS_SPENT: "claiming rests until {until}: the budget of {hourly:Job} an hour is spent",
        Code.CLAIMS_PAUSED: "nothing is claimed while paused; {held:claimed message} kept",
        Code.CLAIMS_ENDING: "claiming ends: {held:claimed message} kept until {running:Job} ended",
    }
)


def because(code: Code, **numbers: float | int | str) -> Reason:
    """The reason with this code; `numbers` are those its sentence names (KeyError otherwise)."""
    sentence = SENTENCES[code]
    if not sentence.names <= numbers.keys():
        raise KeyError(*sorted(sentence.names - numbers.keys()))
    return Reason(code.value, sentence, tuple(numbers.items()))
