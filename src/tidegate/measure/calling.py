"""One call of an adapter, whatever happens inside it: answers, or the one error of the whole server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from tidegate.base.errors import Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Adapter
from tidegate.kit.question import Question, Server
from tidegate.measure.connection import Connection
from tidegate.measure.defects import NEXT_STEP, unexpected

log = logging.getLogger(__name__)

_CLOSE_S = 5.0


def open_adapter(connection: Connection, connect: Callable[[Server], Adapter]) -> TidegateError | None:
    """Makes the connection's adapter where it has none; the error if that fails."""
    try:
        connection.open(connect)
    except TidegateError as error:
        return error
    except Exception as error:
        return _defect("open a connection", connection, error)
    return None


async def call(
    connection: Connection, questions: Sequence[Question], timeout_s: float
) -> Sequence[Any] | TidegateError:
    """One entry per question, or the error that stands for all of them. Raises only when cancelled.

    `timeout_s` bounds the call unless the adapter asks for more time (`patience_s`).
    """
    attempted = f"ask {len(questions)} question{'s' if len(questions) != 1 else ''}"
    adapter = connection.adapter
    assert adapter is not None
    timeout_s = max(timeout_s, getattr(adapter, "patience_s", 0.0))
    try:
        async with asyncio.timeout(timeout_s):
            answers = await adapter.answer(questions)
    except TidegateError as error:
        return error
    except TimeoutError:
        # Cut off in the middle, the connection may still deliver answers to questions of before.
        connection.adapter = None
        await close(adapter)
        answer, next_step = (
            f"no answer within {timeout_s:g} s",
            "check that the server is up and not overloaded",
        )
        return Unreachable(attempted, on=connection.label, answer=answer, next_step=next_step)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return Unreachable(attempted, on=connection.label, answer="the call was given up inside the client")
    except Exception as error:
        return _defect(attempted, connection, error)
    if len(answers) != len(questions):
        return Malformed(attempted, on=connection.label, answer=f"{len(answers)} answers came back")
    return answers


async def close(adapter: Adapter) -> None:
    """Closes without ever raising or waiting long: what cannot be closed is left to the system."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await adapter.close()
    except Exception:
        log.debug("closing a connection failed", exc_info=True)


def _defect(attempted: str, connection: Connection, error: Exception) -> Malformed:
    if connection.failure is None:
        log.error("connection failed unexpectedly", exc_info=error, extra={"server": connection.label})
    return Malformed(attempted, on=connection.label, answer=unexpected(error), next_step=NEXT_STEP)
