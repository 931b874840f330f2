"""A pull consumer of a real NATS server, as the laws of claims need it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from parts.nats_server import NatsServer
from parts.waiting import wait_until
from tidegate.kit.systems.nats_claims import NatsConsumerSource
from tidegate.kit.systems.nats_client import NatsServer as Server

INFO = "$JS.API.CONSUMER.INFO.jobs.workers"


class NatsConsumer:
    """The consumer `workers` of the stream `jobs`, which keeps what is not acknowledged; `bad` has dead
    letters."""

    keeps_leases = True
    is_behind_proxy = True
    gives_receipts = True
    tells_losses = False
    holds_on = True
    pace = 2
    shortest_s = 0.5

    def __init__(self, server: NatsServer, user: str = "shop", password: str = "pw", copies: int = 1) -> None:
        self.server = server
        self.port = server.port
        self.user, self.password = user, password
        self._create("bad", "limits", "bad", copies)
        self._create("jobs", "workqueue", "jobs.>", copies)
        self.configure()

    def _create(self, name: str, retention: str, subject: str, copies: int) -> None:
        form = {"name": name, "subjects": [subject], "retention": retention, "num_replicas": copies}

        def is_made() -> bool:
            # A cluster that has just met may still take a node for lost.
            with suppress(AssertionError, TimeoutError):
                self.ask(f"$JS.API.STREAM.CREATE.{name}", form)
                return True
            return False

        wait_until(is_made, f"the stream {name} is made", 20)

    def ask(self, subject: str, body: Any = None, headers: bytes = b"") -> Any:
        return self.server.ask(subject, body, self.user, password=self.password, headers=headers)

    def make_kept(self) -> None:
        """Another stream in its place, which keeps what is acknowledged."""
        self.ask("$JS.API.STREAM.DELETE.jobs")
        self._create("jobs", "limits", "jobs.>", 1)
        self.configure()

    def configure(self, wait_s: float = 60.0, **more: Any) -> None:
        config = {"durable_name": "workers", "ack_policy": "explicit", "ack_wait": int(wait_s * 1e9), **more}
        form = {"stream_name": "jobs", "config": config}
        self.ask("$JS.API.CONSUMER.DURABLE.CREATE.jobs.workers", form)

    def lasts(self, lease_s: float) -> None:
        """Leases are the consumer's own."""
        self.configure(lease_s)

    def empty(self) -> None:
        for stream in ("jobs", "bad"):
            self.ask(f"$JS.API.STREAM.PURGE.{stream}")
        self.ask("$JS.API.CONSUMER.DELETE.jobs.workers")
        self.configure()

    def push(self, *bodies: bytes, headers: bytes = b"") -> None:
        numbers = [self.ask("jobs.csv", body, headers=headers)["seq"] for body in bodies]
        wait_until(lambda: self._sees(numbers), "the consumer has heard of the messages", 20)

    def _sees(self, numbers: list[int]) -> bool:
        """A stream tells its consumers a moment after it has taken a message: a fetch may find none yet."""
        with suppress(AssertionError):  # there is no such consumer (any more), which is for the test to find
            info = self.info()
            return info["num_pending"] >= len(numbers) or info["delivered"]["stream_seq"] >= max(numbers)
        return True

    def source(self, address: str) -> NatsConsumerSource:
        return NatsConsumerSource(Server((address,)), "jobs", "workers", "bad", ("SHOP",))

    def info(self) -> Any:
        return self.ask(INFO)

    def unclaimed(self) -> list[bytes]:
        return [
            body for number, body in self._kept("jobs") if number > self.info()["delivered"]["stream_seq"]
        ]

    def dead(self) -> list[bytes]:
        return [body for _, body in self._kept("bad")]

    def kept(self) -> int:
        return int(self.info()["num_ack_pending"])

    def messages(self, stream: str) -> list[Any]:
        """All that a stream keeps, with what is said of each."""
        state = self.ask(f"$JS.API.STREAM.INFO.{stream}", {"deleted_details": True})["state"]
        numbers = range(state["first_seq"], state["last_seq"] + 1)
        left = [one for one in numbers if one not in state.get("deleted", [])] if state["messages"] else []
        return [self.ask(f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": one})["message"] for one in left]

    def _kept(self, stream: str) -> list[tuple[int, bytes]]:
        found = self.messages(stream)
        return [(one["seq"], base64.b64decode(one.get("data", ""))) for one in found]


@contextmanager
def nats_consumer() -> Iterator[NatsConsumer]:
    with NatsServer() as server:
        yield NatsConsumer(server)
