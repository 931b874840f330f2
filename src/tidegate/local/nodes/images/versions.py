"""Whether the server that stands for an image is of the version that its tag names.

A program is asked once, the first time that an image which names a version starts it.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress

from tidegate.local.nodes.images.program import place
from tidegate.local.nodes.images.table import Entry

# Those that answer at once and start nothing.
ASKED = {
    "apache2": "-v",
    "mariadbd": "--version",
    "memcached": "--version",
    "nats-server": "--version",
    "nginx": "-v",
    "postgres": "--version",
    "prometheus": "--version",
    "redis-server": "--version",
}
ANSWER_S = 5.0
_TAG = re.compile(r".*:v?(\d+(?:\.\d+)*)[^/]*")
_VERSION = re.compile(r"\d+(?:\.\d+)+")


class Versions:
    """Of programs of this machine, by their paths; "" of those that do not say."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._told: set[str] = set()

    async def differs(self, image: str, entry: Entry | None, path: str) -> str:
        """What to tell, once, of an image of another version; "" when there is nothing to tell."""
        tag = _TAG.fullmatch(image.partition("@")[0])
        if tag is None or entry is None or image in self._told:
            return ""
        name = (*entry.command, "")[0]
        program = place(entry, path) if name in ASKED else None
        if program is None:
            return ""
        if program not in self._known:
            self._known[program] = await _asked(program, ASKED[name])
        version = self._known[program]
        if not version or f"{version}.".startswith(f"{tag[1]}."):
            return ""
        self._told.add(image)
        return f"image {image}: containers run this machine's {name}, which is {version}"


async def _asked(program: str, option: str) -> str:
    with suppress(OSError, TimeoutError):
        process = await asyncio.create_subprocess_exec(
            program,
            option,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.defpath},
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if found := _VERSION.search(said.decode("utf-8", "replace")):
            return found[0]
    return ""
