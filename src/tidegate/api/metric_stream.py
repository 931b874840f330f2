"""What the leading operator and a metrics API server tell each other, as JSON texts over one WebSocket.

    metrics API server ──► `Questions`  what is this metric now?
                           `Heard`      HPAs have asked for these since I last said so
                           `Dropped`    nobody asks for these any more
    operator           ──► `Hello`      at first
                           `Answers`    values, each with its moment: replies, and news of what was asked once
                           `Unchanged`  as before, but as of a later moment

A question names its metric in full and gives it a number, by which both speak of it from then on, as long as
the stream lasts. Moments (`…_s`) are seconds of the operator's own monotonic clock. Each message of the
operator's says what that clock showed when it was sent: no two wall clocks need to agree.
"""

from __future__ import annotations

import msgspec

PATH = "/stream"
MESSAGE_BYTES = 4 << 20
"""Longer messages end the stream."""

MOST_IN_ONE = 1_000
"""Questions, answers or numbers in one message: with the longest texts it is not too long."""


class Metric(msgspec.Struct, frozen=True, gc=False):
    """An external metric of a ScaledObject. `name` is in lower case: case does not count."""

    namespace: str
    scaled_object: str
    name: str

    @property
    def owner(self) -> tuple[str, str]:
        return self.namespace, self.scaled_object


class Question(msgspec.Struct, frozen=True, gc=False):
    """What is `metric` now? `number` stands for it from now on."""

    number: int
    metric: Metric


class Questions(msgspec.Struct, frozen=True, tag="questions"):
    """Each is answered once by an `Answer` that is a reply, and followed until it is dropped."""

    questions: list[Question]


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """HPAs have asked for these metrics, and were answered from what was told before."""

    numbers: list[int]


class Dropped(msgspec.Struct, frozen=True, tag="dropped"):
    """No HPA has asked for these metrics for long. Their numbers are not used again."""

    numbers: list[int]


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The operator leads and answers from now on."""

    now_s: float
    version: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Values of a metric, or the failure that there are none: `kind` (one of the five errors) and `message`.

    They were measured at `measured_s` and may be told as current for `max_age_s` from then on; 0 means to
    the asker alone.
    """

    number: int
    values: list[float] = []
    kind: str = ""
    message: str = ""
    measured_s: float = 0.0
    max_age_s: float = 0.0
    is_reply: bool = False


class Answers(msgspec.Struct, frozen=True, tag="answers"):
    """News and replies."""

    now_s: float
    answers: list[Answer]


class Unchanged(msgspec.Struct, frozen=True, tag="unchanged"):
    """These metrics were measured again at `measured_s`, and are what they were."""

    now_s: float
    measured_s: float
    numbers: list[int]


Asked = Questions | Heard | Dropped
Told = Hello | Answers | Unchanged


class _Message(msgspec.Struct):
    type: str


_asked: msgspec.json.Decoder[Asked] = msgspec.json.Decoder(Asked)
_told: msgspec.json.Decoder[Told] = msgspec.json.Decoder(Told)
_message = msgspec.json.Decoder(_Message)
_TYPES = frozenset(("questions", "heard", "dropped", "hello", "answers", "unchanged"))


def read_asked(text: bytes | str) -> Asked | None:
    """A message of a metrics API server's; None for one of a kind that is not known here, as a newer one may
    send; ValueError where it is no message."""
    try:
        return _asked.decode(text)
    except msgspec.ValidationError:
        if _is_known(text):
            raise
        return None


def read_told(text: bytes | str) -> Told | None:
    """The same of a message of an operator's."""
    try:
        return _told.decode(text)
    except msgspec.ValidationError:
        if _is_known(text):
            raise
        return None


def _is_known(text: bytes | str) -> bool:
    return _message.decode(text).type in _TYPES


def written(message: Asked | Told) -> bytes:
    """A message as its JSON text."""
    return msgspec.json.encode(message)
