"""What both dresses of a remote command share: how it ends, and how large its terminal is."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec

from tidegate.kube.resource import ApiError
from tidegate.kube.responses import status_body
from tidegate.local.streams import Size

log = logging.getLogger(__name__)

SIZE_BYTES = 1024
SIDE_MAX = 65_535


async def status_of(command: Coroutine[Any, Any, int]) -> dict[str, Any]:
    """The Status that ends the session; whatever goes wrong is told to the client."""
    try:
        code = await command
    except ApiError as error:
        return status_body(error)
    except (ConnectionError, TimeoutError) as error:
        return status_body(ApiError(500, "InternalError", f"the client took no more output: {error}"))
    except Exception as error:
        log.exception("a remote command broke")
        return status_body(ApiError(500, "InternalError", f"cannot run the command: {error}"))
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    failure = ApiError(
        500,
        "NonZeroExitCode",
        f"command terminated with non-zero exit code: exit status {code}",
        {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    )
    return status_body(failure)


async def sizes_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[Size]:
    """The sizes that a client tells, one JSON map after another; what is none is passed over."""
    held = b""
    async for chunk in chunks:
        *whole, held = (held + chunk).replace(b"}", b"}\n").split(b"\n")
        held = held[-SIZE_BYTES:]
        for text in whole:
            size = _size(text)
            if size is not None:
                yield size


def _size(text: bytes) -> Size | None:
    try:
        found = msgspec.json.decode(text)
        width, height = found["Width"], found["Height"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
    sides = [side for side in (width, height) if isinstance(side, int) and 0 < side <= SIDE_MAX]
    return Size(width, height) if len(sides) == 2 else None
