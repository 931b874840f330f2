"""What the table of a trigger over HTTP says of it, for the faults that all of them meet alike.

HTTP = HttpCase("solr", {"host": "{origin}", …}, answer=solr, value=7)

In `test_<module>.py` of the trigger, where `tests/connections/test_http_triggers.py` finds it by its type.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from parts.http_server import Answer
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import TidegateError
from tidegate.connections.adapter import Surroundings
from tidegate.connections.pool import Connections
from tidegate.kit import reading
from tidegate.kit.identity import IdentityToken
from tidegate.kit.question import ASK, Ask, Asking, Question
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Measured, Polled, Scope

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
SECRET = "hunter2-hunter2"


def build(kind: str, metadata: Mapping[str, str], auth: Mapping[str, str] | None = None, **scope: Any) -> Any:
    """The scaler of these texts, or its problems."""
    found = scalers.find(kind)
    assert found is not None
    trigger = Trigger(type=kind, metadata=dict(metadata))
    return reading.build(found, trigger, Sources(metadata, {}, auth or {}), Scope("shop", **scope))


@dataclass(frozen=True)
class HttpCase:
    """`{origin}` stands for the server in `metadata` and `auth`; where neither names it, `is_fixed`: the
    vendor's address is replaced by the server's.

    `answer` is what the server says when all is well, `value` what it comes to. `requests` are those of one
    measurement. `another(n)` changes the metadata so that another thing is asked; `apart` is how many
    requests 200 such triggers make. `zero_at` are strange answers that are a 0 by a rule of the page.
    """

    kind: str
    metadata: Mapping[str, str]
    answer: Answer
    value: float
    auth: Mapping[str, str] = field(default_factory=dict)
    is_fixed: bool = False
    requests: int = 1
    another: Callable[[int], Mapping[str, str]] | None = None
    apart: int = 200
    zero_at: tuple[str, ...] = ()

    def build(self, origin: str, **metadata: str) -> Any:
        texts = {key: text.replace("{origin}", origin) for key, text in {**self.metadata, **metadata}.items()}
        auth = {key: text.replace("{origin}", origin) for key, text in self.auth.items()}
        built = build(self.kind, texts, auth)
        assert isinstance(built, Polled), built
        return Elsewhere(built, origin) if self.is_fixed else built


class _Moved(Ask):
    """Asks the server at `origin` instead of the vendor's, without the token that goes over https alone."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def __call__(self, question: Question) -> Asking:
        return Asking((self._moved(question),), single=True)

    def all(self, *questions: Question) -> Asking:
        return Asking(tuple(map(self._moved, questions)), single=False)

    def _moved(self, question: Any) -> Any:
        if hasattr(question, "request"):
            server = replace(question.request.server, origin=self.origin)
            return replace(question, request=replace(question.request, server=server))
        is_identified = isinstance(getattr(question.server, "token", None), IdentityToken)
        without = {"token": None} if is_identified else {}
        return replace(question, server=replace(question.server, origin=self.origin, **without))


class Elsewhere(Polled):
    """A scaler whose questions go to another origin than its vendor's."""

    def __init__(self, inner: Polled, origin: str) -> None:
        object.__setattr__(self, "type", inner.type)
        object.__setattr__(self, "scope", inner.scope)
        object.__setattr__(self, "identity", None)
        object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "origin", origin)

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        there: Any = self
        return await there.inner.measure(_Moved(there.origin), now)


class Asker:
    """Measures triggers over kept connections, each exchange within `patient_s`."""

    def __init__(self, patient_s: float, **around: Any) -> None:
        self._connections = Connections(Surroundings(**around))
        self._patient_s = patient_s

    async def __call__(self, trigger: Polled, now: datetime = NOW) -> Any:
        """The number, or the error."""
        coroutine = trigger.measure(ASK, now)
        answers: Sequence[Any] | None = None
        try:
            while True:
                asked = coroutine.send(answers)  # type: ignore[arg-type]
                answers = tuple([await self._answered(question) for question in asked])
        except StopIteration as done:
            return done.value.values[0] if isinstance(done.value, Measured) else done.value
        except TidegateError as error:
            return error

    async def _answered(self, question: Question) -> Any:
        kept = self._connections.adapter(question.server)
        adapter: Any = kept.adapter
        adapter.client.timeout_s = self._patient_s
        try:
            (answer,) = await adapter.answer([question])
        except TidegateError as error:
            return error
        return answer

    async def close(self) -> None:
        await self._connections.close()


@asynccontextmanager
async def asking(patient_s: float = 10.0, **around: Any) -> AsyncIterator[Asker]:
    asker = Asker(patient_s, **around)
    try:
        yield asker
    finally:
        await asker.close()
