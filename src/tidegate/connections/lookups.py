"""Host names to addresses, each name in a thread of its own.

The system's resolver blocks, and a name server that never answers keeps it for half a minute. Whoever writes
a manifest chooses the name: with threads that are shared, a few such names would hold everybody's lookups.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from contextlib import suppress

Found = tuple[str, ...]

_running: dict[tuple[int, str], asyncio.Future[Found]] = {}


async def addresses_of(host: str) -> Found:
    """All addresses of a name, those of an address itself. OSError where there is none.

    Whoever asks for a name that is being looked up waits for the same answer.
    """
    if is_address(host):
        return (host,)
    loop = asyncio.get_running_loop()
    key = (id(loop), host)
    future = _running.get(key)
    if future is None or future.get_loop() is not loop:
        future = _running[key] = loop.create_future()
        threading.Thread(target=_look_up, args=(loop, future, host), daemon=True, name="lookup").start()
    try:
        return await asyncio.shield(future)
    finally:
        if future.done():
            _running.pop(key, None)


def _look_up(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Found], host: str) -> None:
    found: Found | OSError
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        found = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
    except (OSError, UnicodeError) as error:
        found = error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, "no such name")
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_tell, future, found)


def _tell(future: asyncio.Future[Found], found: Found | OSError) -> None:
    if isinstance(found, OSError):
        future.set_exception(found)
        future.exception()  # it may be that nobody waits any more
    else:
        future.set_result(found)


def is_address(host: str) -> bool:
    """Whether it needs no lookup."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
