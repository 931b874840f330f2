"""The calls by which claims of SQS are carried out: ten messages in a call, 16 calls at a time, and no call
after the time is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Denied, TidegateError, Unreachable
from tidegate.connections.claims.sqs.answers import entry_outcomes
from tidegate.kit.systems.aws import AwsServer
from tidegate.runtime.clock import Clock

if TYPE_CHECKING:
    from tidegate.connections.aws.calls import Call, Calls

PAGE = 10
"""Messages of one call, by the service's rules."""

TOTAL_S = 5.0
"""All calls of one list are begun within this: with the last answer, less than what waits for a writer."""

_AT_ONCE = 16
# Ten messages of 1 MiB, in the longest way to write them as JSON.
_RECEIVED_BYTES = 32 << 20
_RIGHTS = (
    "claiming writes: allow sqs:ReceiveMessage, sqs:ChangeMessageVisibility, sqs:DeleteMessage and "
    "sqs:GetQueueAttributes on the queue, sqs:SendMessage on that for dead letters, and of encrypted ones "
    "kms:Decrypt and kms:GenerateDataKey"
)
_IN_FLIGHT = (
    "120,000 messages of a queue may be in flight, received and not deleted; wait for Jobs and other "
    "consumers to end, or use several queues"
)


@dataclass(frozen=True, slots=True)
class Steps:
    """The calls of one list of commands, begun by `ends_at` of the clock that never runs backwards."""

    calls: Calls
    server: AwsServer
    clock: Clock
    ends_at: float

    @property
    def left_s(self) -> float:
        return self.ends_at - self.clock.monotonic()

    @property
    def now_s(self) -> float:
        return self.clock.now().timestamp()

    async def receive(self, parameters: Mapping[str, Any], attempted: str) -> tuple[Call, list[Any]]:
        """The messages that came, and the call that they came with."""
        from tidegate.connections.aws.calls import Call, strange

        call = Call.of("ReceiveMessage", parameters, attempted, _RECEIVED_BYTES)
        answer = await self.answer(call)
        found = answer.get("Messages")
        if found is not None and not isinstance(found, list):
            raise strange(attempted, self.server, "its messages are no list")
        return call, found or []

    async def hide(
        self, queue: str, wanted: Sequence[tuple[str, int]], attempted: str
    ) -> list[TidegateError | None]:
        """Makes messages invisible, by receipt handle and seconds; what came of each."""
        entries = [{"ReceiptHandle": handle, "VisibilityTimeout": seconds} for handle, seconds in wanted]
        return await self._batches("ChangeMessageVisibilityBatch", queue, entries, attempted)

    async def delete(self, queue: str, handles: Sequence[str], attempted: str) -> list[TidegateError | None]:
        """Deletes messages; what came of each."""
        entries = [{"ReceiptHandle": handle} for handle in handles]
        return await self._batches("DeleteMessageBatch", queue, entries, attempted)

    async def answer(self, call: Call) -> dict[str, Any]:
        """The answer to one call. Raises what it came to."""
        answer: Any = (await self.send([call]))[call]
        if isinstance(answer, TidegateError):
            raise answer
        return dict(answer)

    async def send(self, calls: Sequence[Call]) -> dict[Call, Any]:
        """The answer to each call, or its error: one that no time was left for has not been sent."""
        found: dict[Call, Any] = {}
        end: TidegateError | None = None
        for first in range(0, len(calls), _AT_ONCE):
            wave = calls[first : first + _AT_ONCE]
            if end is None and self.left_s <= 0:
                answer = f"the calls before it took more than {TOTAL_S:g} s"
                end = Unreachable(wave[0].attempted, on=self.server.label(), answer=answer)
            if end is None:
                try:
                    found |= await self.calls.send(wave)
                except TidegateError as error:
                    end = error
            if end is not None:
                found |= {one: end for one in wave if one not in found}
        return {call: _advised(one) if isinstance(one, TidegateError) else one for call, one in found.items()}

    async def _batches(
        self, operation: str, queue: str, entries: Sequence[Mapping[str, Any]], attempted: str
    ) -> list[TidegateError | None]:
        from tidegate.connections.aws.calls import Call

        pages = list(_pages(entries))
        calls = [
            Call.of(operation, {"QueueUrl": queue, "Entries": page}, f"{attempted} of {queue}")
            for page in pages
        ]
        answers = await self.send(calls) if calls else {}
        found: list[TidegateError | None] = []
        for call, page in zip(calls, pages, strict=True):
            answer = answers[call]
            if isinstance(answer, TidegateError):
                found += [answer] * len(page)
            else:
                found += entry_outcomes(answer, len(page), call, self.server)
        return found


def _pages(entries: Sequence[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Numbered entries: what stands on a Job as an identity may be nothing that the service takes."""
    for first in range(0, len(entries), PAGE):
        yield [{"Id": str(number), **one} for number, one in enumerate(entries[first : first + PAGE])]


def _advised(error: TidegateError) -> TidegateError:
    """What claiming needs beyond reading, and what it can meet."""
    step = _RIGHTS if isinstance(error, Denied) else _IN_FLIGHT if "OverLimit" in error.answer else ""
    if not step:
        return error
    return type(error)(error.attempted, on=error.on, answer=error.answer, next_step=step)
