"""Starting and stopping: the event loop, signals, and the end of everything that runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tidegate.runtime.collector import short_collections

Result = TypeVar("Result")


def run(main: Callable[[], Coroutine[Any, Any, Result]], *, is_fast: bool = True) -> Result:
    """The result of `main()`, on uvloop where it is installed and wanted."""
    factory = None
    if is_fast:
        try:
            import uvloop

            factory = uvloop.new_event_loop
        except ImportError:
            pass
    with short_collections(), asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


def stop_signals() -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets; the second one ends the process as usual."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        stopping.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stopping
