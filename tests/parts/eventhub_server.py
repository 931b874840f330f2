"""An event hub on loopback: the examples' stand-in, which speaks AMQP 1.0, in threads of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from parts.example_programs import example_program

KEY_NAME, KEY = "RootManageSharedAccessKey", "hunter2hunter2"


class EventHub:
    """`hub` holds the events; `connection` is for who speaks plain to it, or to a proxy at `port`."""

    def __init__(self, hub: Any, port: int) -> None:
        self.hub = hub
        self.port = port

    def connection(self, port: int = 0, key: str = KEY) -> str:
        return (
            f"Endpoint=sb://127.0.0.1:{port or self.port};SharedAccessKeyName={KEY_NAME};"
            f"SharedAccessKey={key};UseDevelopmentEmulator=true;"
        )

    def put(self, partition: int, count: int, begin: int = 0) -> None:
        """So many events into a partition whose oldest is numbered `begin`."""
        self.hub.begins[partition] = begin
        self.hub.events[partition] = ["x"] * count


@contextmanager
def eventhub(
    name: str = "clicks", partitions: int = 4, port: int = 0, takes: Callable[[str], bool] | None = None
) -> Iterator[EventHub]:
    """`takes` says which tokens are good, where those that the key signs are not."""
    program = example_program("small_event_hub")

    class Hub(program.Hub):  # type: ignore[name-defined,misc]
        def is_signed(self, token: str) -> bool:
            return bool(super().is_signed(token)) if takes is None else takes(token)

    hub = Hub(name, partitions, KEY_NAME, KEY)
    servers = program.serve(hub, "127.0.0.1", port, 0)
    try:
        yield EventHub(hub, servers[0].server_address[1])
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
