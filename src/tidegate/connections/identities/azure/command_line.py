"""The Azure CLI: the token of whoever has logged in on this machine (`az login`).

Source: Microsoft, "az account get-access-token".
"""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable
from tidegate.connections.grants import Granted

_TIME_S = 20.0
"""The CLI is slow to start, and renews its own login first."""

_LIFE_S = 300.0
_LIMIT_BYTES = 64 << 10


async def az_token(
    program: str, environment: Mapping[str, str], tenant: str, audience: str, attempted: str
) -> Granted[str]:
    """The user's token. Denied where nobody is logged in; what the program says to people is left out."""
    arguments = ["account", "get-access-token", "--output", "json", "--scope", audience]
    arguments += ["--tenant", tenant] if tenant else []
    on = "the Azure CLI"
    try:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=dict(environment)
        )
    except OSError as error:
        answer = f"`az` cannot be run ({(error.strerror or 'no reason given').lower()})"
        raise Misconfigured(attempted, on=on, answer=answer) from error
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_TIME_S):
            text = await _read(process.stdout)
            code = await process.wait()
    except TimeoutError as error:
        raise Unreachable(attempted, on=on, answer=f"no answer within {_TIME_S:g} s") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if code != 0:
        step = "run `az login`, and see what `az account get-access-token` says"
        raise Denied(attempted, on=on, answer=f"it ended with code {code}", next_step=step)
    return _granted(text, attempted)


async def _read(stream: asyncio.StreamReader) -> bytes:
    parts, size = [], 0
    while size <= _LIMIT_BYTES and (part := await stream.read(_LIMIT_BYTES)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _granted(text: bytes, attempted: str) -> Granted[str]:
    try:
        body: Any = msgspec.json.decode(text)
        token, ends_s = body["accessToken"], body.get("expires_on")
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        token, ends_s = "", None
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise Malformed(attempted, on="the Azure CLI", answer="what it wrote holds no token")
    # Older versions tell the end in local time alone; asking again costs nothing but time.
    life_s = float(ends_s) - time.time() if isinstance(ends_s, int | float) else _LIFE_S
    return Granted(token, life_s if life_s > 0 else _LIFE_S)
