"""A scaler's one effect: it asks. A question is a frozen value that names its server.

Equal questions are asked once a round; all questions for one server travel together. Measuring
is a coroutine that never sleeps: `ask(...)` hands the question out to whoever drives it (a round,
a simulator, a test with a dictionary of answers) and is resumed with the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Hashable
from typing import Any, ClassVar, Protocol, runtime_checkable

from tidegate.base.errors import TidegateError


@runtime_checkable
class Server(Hashable, Protocol):
    """Whom we talk to: address, credentials, TLS. Equal servers share one connection.

    `system` names the adapter: `tidegate.connections.<system>`.
    """

    system: ClassVar[str]

    def label(self) -> str:
        """Address for people; never a secret."""


class Question(Hashable, Protocol):
    """A frozen value. `server` says who can answer it."""

    @property
    def server(self) -> Server: ...


class Asking:
    """What `ask(question)` returns: awaiting it hands the questions out and takes the answers in."""

    __slots__ = ("is_raising", "questions", "single")

    def __init__(self, questions: tuple[Question, ...], single: bool, is_raising: bool = True) -> None:
        self.questions = questions
        self.single = single
        self.is_raising = is_raising

    def __await__(self) -> Generator[tuple[Question, ...], tuple[Any, ...], Any]:
        answers = yield self.questions
        for answer in answers:
            if isinstance(answer, TidegateError) and self.is_raising:
                raise answer
        return answers[0] if self.single else answers


class Ask:
    """Given to `Scaler.measure`: `await ask(q)` for one answer, `await ask.all(q1, q2)` for several.

    Raises the question's `TidegateError` where it could not be answered; `await ask.each(q1, q2)` gives it
    in the answer's place.
    """

    __slots__ = ()

    def __call__(self, question: Question) -> Asking:
        return Asking((question,), single=True)

    def all(self, *questions: Question) -> Asking:
        return Asking(questions, single=False)

    def each(self, *questions: Question) -> Asking:
        return Asking(questions, single=False, is_raising=False)


ASK = Ask()


def drive(
    coroutine: Coroutine[tuple[Question, ...], tuple[Any, ...], Any], answer: Callable[[Question], Any]
) -> Any:
    """The coroutine's result, each question answered by `answer` (an answer may be a TidegateError).

    For tests and the simulator; rounds step many coroutines side by side instead.
    """
    send: tuple[Any, ...] | None = None
    try:
        while True:
            questions = coroutine.send(send)  # type: ignore[arg-type]
            send = tuple(answer(question) for question in questions)
    except StopIteration as done:
        return done.value
