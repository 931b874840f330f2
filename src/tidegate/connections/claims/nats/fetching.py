"""Fetching messages: no more are given to us than we ask for."""

from __future__ import annotations

import asyncio

from tidegate.base.errors import Misconfigured, TidegateError, Unreachable
from tidegate.connections.nats.jetstream import request
from tidegate.connections.nats.wire import ACKNOWLEDGE, Came, Wire
from tidegate.kit.systems.nats_claims import NatsConsumerSource

PIECE = 20
"""Messages that are asked for at once."""

BYTES = 8 * 2**20
"""Once an answer has as much it is full; the bodies of a piece come on top."""

_TIGHT_NS = 250_000_000
_NOTHING = (404, 408)
_BEAT = 100


async def fetch(wire: Wire, source: NatsConsumerSource, count: int, *, is_tight: bool) -> list[Came]:
    """At most `count` messages; fewer where there are no more now.

    A request that waits for room below `MaxAckPending` would stay at the server, and be given messages when
    nobody waits for them any more. So where it is tight (`is_tight`) it ends by itself, and in any case the
    subject that it answers to is left.
    """
    attempted = f"claim messages of consumer {source.consumer} of stream {source.stream}"
    form = {"batch": count, "expires": _TIGHT_NS} if is_tight else {"batch": count, "no_wait": True}
    heard: asyncio.Queue[Came | TidegateError] = asyncio.Queue()
    post = request(f"CONSUMER.MSG.NEXT.{source.stream}.{source.consumer}", form)
    number = wire.follow(post, heard.put_nowait)
    found: list[Came] = []
    try:
        async with asyncio.timeout(wire.timeout_s):
            while len(found) < count:
                came = await heard.get()
                if isinstance(came, TidegateError):
                    raise came
                # Older servers hand on what a sender has written in the place of a status.
                if came.reply.startswith(ACKNOWLEDGE):
                    found.append(came)
                elif came.status in _NOTHING:
                    break
                elif came.status and came.status != _BEAT:
                    raise _refused(wire, attempted, came.status)
    except TimeoutError as error:
        if not found:
            answer = f"no answer within {wire.timeout_s:g} s"
            raise Unreachable(attempted, on=wire.label, answer=answer) from error
    except TidegateError:
        if not found or not wire.is_open:
            raise
    finally:
        if wire.is_open:
            wire.leave(number)
    return found


def _refused(wire: Wire, attempted: str, status: int) -> TidegateError:
    if status == 400:
        return Misconfigured(attempted, on=wire.label, answer="the consumer does not take our request")
    return Unreachable(attempted, on=wire.label, answer=f"the consumer gives nothing now (status {status})")
