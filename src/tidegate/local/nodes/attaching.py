"""The input and output of a container's own process, for somebody who attaches to it."""

from __future__ import annotations

import asyncio
import os
import select
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

from tidegate.local.nodes import container_logs
from tidegate.local.nodes.processes.instance import Instance
from tidegate.local.streams import Command, LogOptions, Size
from tidegate.runtime.clock import Clock

# A frame is written whole or not at all.
FRAME_BYTES = select.PIPE_BUF
HEAD = struct.Struct(">cH")


async def attach(instance: Instance, command: Command, clock: Clock, *, is_once: bool) -> int:
    """0 when the process has ended. What it has written before stays its log's, but where the input is for
    one client alone (`is_once`): who runs a container and attaches to it misses nothing.
    """
    # Before anything is typed: its answer is part of what is seen.
    start = 0 if is_once else _written(instance)
    pipe = _opened(instance)
    inputs: list[asyncio.Task[None]] = []
    try:
        if pipe is not None:
            if command.stdin is not None:
                inputs.append(asyncio.create_task(_type(pipe, command.stdin, is_once)))
            if command.sizes is not None:
                inputs.append(asyncio.create_task(_resize(pipe, command.sizes)))
        async for chunk in container_logs.read(instance, LogOptions(follow=True), clock, start):
            await command.stdout(chunk)
        return 0
    finally:
        for task in inputs:
            task.cancel()
        await asyncio.gather(*inputs, return_exceptions=True)
        if pipe is not None:
            if is_once and command.stdin is not None:
                # Whoever was to type is gone.
                with suppress(OSError):
                    os.write(pipe, HEAD.pack(b"e", 0))
            os.close(pipe)


def _written(instance: Instance) -> int:
    with suppress(OSError):
        return instance.log.stat().st_size
    return 0


def _opened(instance: Instance) -> int | None:
    """None where the container has no input, or nobody takes it any more."""
    with suppress(OSError):
        return os.open(instance.input, os.O_WRONLY | os.O_NONBLOCK)
    return None


async def _type(pipe: int, source: AsyncIterator[bytes], is_once: bool) -> None:
    size = FRAME_BYTES - HEAD.size
    async for chunk in source:
        for start in range(0, len(chunk), size):
            content = chunk[start : start + size]
            await _put(pipe, HEAD.pack(b"d", len(content)) + content)
    if is_once:
        await _put(pipe, HEAD.pack(b"e", 0))


async def _resize(pipe: int, sizes: AsyncIterator[Size]) -> None:
    async for size in sizes:
        await _put(pipe, HEAD.pack(b"s", 4) + struct.pack(">HH", size.height, size.width))


async def _put(pipe: int, frame: bytes) -> None:
    """Waits while the pipe is full. OSError when nobody reads it any more."""
    while True:
        try:
            os.write(pipe, frame)
            return
        except BlockingIOError:
            await _room(pipe)


async def _room(pipe: int) -> None:
    # A pipe with a little room is ready to be written to, and does not take a whole frame.
    await asyncio.sleep(0.01)
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(pipe, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(pipe)
