"""The nouns of claimed work: a claimed message, what is done about it, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tidegate.base.errors import Failure
from tidegate.core.values import Reason

TooLarge = Literal["reference", "dead-letter"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a ScaledJob asks of its claims.

    At most `maximum` messages are held; after `attempts` Jobs that failed a message is a dead letter.
    `hourly` bounds the Jobs of an hour. Not `is_open`: nothing is claimed (paused). `is_ending`: Jobs that
    run end as they would, and what has not started goes back. `grace_s` is how long a pod may take to stop.
    Messages of more than `largest` bytes are dead letters where `too_large` says so.
    """

    maximum: int
    attempts: int = 5
    lease_s: float = 120.0
    hourly: int | None = None
    is_open: bool = True
    is_ending: bool = False
    grace_s: float = 30.0
    largest: int = 2**20
    too_large: TooLarge = "reference"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that we hold until `until`. `finished` are the Jobs of it that have ended, as its broker or
    our Jobs tell; the next one has the number `attempt`.
    """

    id: str
    until: datetime
    claimed_at: datetime
    finished: int = 0
    size: int = 0

    @property
    def attempt(self) -> int:
        return self.finished + 1


@dataclass(frozen=True, slots=True)
class Queue:
    """What the trigger says of its queue, in a reading of the moment `read`."""

    is_active: bool
    read: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """The broker does not answer, `since` when; it is asked again at `until`."""

    failure: Failure
    since: datetime
    until: datetime
    strikes: int = 1


@dataclass(frozen=True, slots=True)
class Breaker:
    """Jobs in a row that failed in their first seconds; after several, claiming rests till `until`."""

    quick: int = 0
    trips: int = 0
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A Job that was created for a message, for the budget of an hour."""

    job: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """A Job of message `id` that failed, and the only one to know that: its broker keeps no count. Its
    message was released `at`.
    """

    id: str
    job: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A Job whose outcome the broker cannot take before the message has come again; `since` when it was
    told, and when it is told again unless the message comes first.
    """

    job: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ClaimMemory:
    """What is known of an object's claims. Lost with the process; broker and Jobs tell it again.

    `is_resumed`: the broker has said what we hold. `settled` are Jobs whose outcome it has answered, `freed`
    those whose finalizer was taken off since, `tallies` and `waiting` those that have to stay meanwhile, all
    while they are seen with it. `looked` is when messages were last asked for; `unasked` is why it was in
    vain since. At the reading `short` there were no more. `retry` is when a released one is due.
    `refused` is when a Job that was refused may be tried again. `is_drained`: what was released went back.
    """

    held: tuple[Message, ...] = ()
    is_resumed: bool = False
    settled: frozenset[str] = frozenset()
    freed: frozenset[str] = frozenset()
    tallies: tuple[Tally, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    looked: datetime | None = None
    short: datetime | None = None
    retry: datetime | None = None
    refused: datetime | None = None
    trouble: Trouble | None = None
    unasked: Trouble | None = None
    breaker: Breaker = Breaker()
    started: tuple[Started, ...] = ()
    is_drained: bool = False

    def message(self, id: str) -> Message | None:
        return next((one for one in self.held if one.id == id), None)


# --- actions on the broker


@dataclass(frozen=True, slots=True)
class Take:
    """Ask for messages: those we hold and do not know of, then others until we hold `maximum`."""

    maximum: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Hold these for another lease."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The message is done: `job` has succeeded."""

    id: str
    job: str


@dataclass(frozen=True, slots=True)
class Release:
    """Its Job number `finished` has failed: another may hold it after `delay_s`. `is_quick`: in seconds."""

    id: str
    finished: int
    delay_s: float
    job: str
    is_quick: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The message is put aside, for `why`. `job` is "" where none was started for it."""

    id: str
    finished: int
    job: str
    why: str
    is_quick: bool = False


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Claiming ends: these go back to their queue, and so does everything that was released."""

    ids: tuple[str, ...]


# --- actions on the cluster


@dataclass(frozen=True, slots=True)
class StartTask:
    """Create the Job of this message and attempt, if it is still held once the broker's answers are in."""

    id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Unguard:
    """Take our finalizer off a Job. `why` is told where its outcome is not known to the broker."""

    job: str
    why: str = ""


Ask = Take | Renew | Acknowledge | Release | DeadLetter | GiveBack
"""What a broker is asked to do: the only actions that change anything outside of the cluster."""

Act = Ask | StartTask | Unguard


@dataclass(frozen=True, slots=True)
class ClaimDecision:
    """Memory, what to do now, why, when to decide again without news. `is_full`: no place is left below the
    maximum. `is_over`: nothing of an ending object's claims is left.
    """

    memory: ClaimMemory
    actions: tuple[Act, ...] = ()
    reasons: tuple[Reason, ...] = ()
    due: datetime | None = None
    is_full: bool = False
    is_over: bool = False


# --- answers of the broker


@dataclass(frozen=True, slots=True)
class Taken:
    """The messages that came, without their bodies. `has_more`: there are others of ours that did not fit.
    `retry` is when the next released message is due. `gone` are those that somebody else has removed.
    """

    messages: tuple[Message, ...] = ()
    has_more: bool = False
    retry: datetime | None = None
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewed:
    """`lost` are those that somebody else holds, or nobody knows any more, `late` those still to renew."""

    until: datetime
    lost: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """The broker has done it, now or before. `is_elsewhere`: the message was not ours any more.
    `is_uncounted`: it does not keep how many Jobs of the message have ended.
    """

    is_elsewhere: bool = False
    is_uncounted: bool = False


@dataclass(frozen=True, slots=True)
class Awaited:
    """Nothing was done: the broker knows the message, and us no more as who holds it. It comes again."""


Answer = Taken | Renewed | Settled | Awaited | Failure
