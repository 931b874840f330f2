"""An answer as it came, its body read to the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.base.errors import Malformed
from tidegate.kit.systems.http import HttpRequest

if TYPE_CHECKING:
    import aiohttp


@dataclass(frozen=True, slots=True)
class Response:
    """`headers` are found in any spelling; `body` is never longer than the request's limit."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class TooLarge(Malformed):
    """The body is longer than the request's limit."""


async def read_body(response: aiohttp.ClientResponse, request: HttpRequest) -> bytes:
    """The whole body. TooLarge where it is longer than the request's limit; the rest is not read."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > request.limit_bytes:
            response.close()
            raise TooLarge(
                request.title(),
                on=request.server.label(),
                answer=f"the answer is larger than {_shown(request.limit_bytes)}",
                next_step="ask for less",
            )
        parts.append(part)
    return b"".join(parts)


def _shown(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes"
