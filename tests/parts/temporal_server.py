"""Temporal's dev server on loopback, and what fills it: its own command line, and one poll of a worker."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import grpc

from parts.server_process import ServerProcess
from parts.servers import program
from parts.waiting import wait_until
from tidegate.connections.temporal import task_queues_pb2 as wire

SERVICE = "/temporal.api.workflowservice.v1.WorkflowService/"


class TemporalServer(ServerProcess):
    """What one test makes, the next one sees: each takes task queues of its own."""

    server = "temporal"
    port_count = 2
    start_s = 60.0

    def command(self) -> Sequence[str]:
        return [
            str(program("temporal", "bin/temporal")),
            *("server", "start-dev", "--headless", "--ip", self.host, "--port", str(self.port)),
            *("--http-port", str(self.ports[1]), "--db-filename", str(self.folder / "t.db")),
            *("--namespace", self.token, "--log-level", "error"),
        ]

    def is_ready(self) -> bool:
        with suppress(AssertionError):
            return self.token in self.tell("operator", "namespace", "describe", "--namespace", self.token)
        return False

    def tell(self, *words: str) -> str:
        """What the command line says to this."""
        binary = str(program("temporal", "bin/temporal"))
        return self.run([binary, *words, "--address", self.address, "--disable-config-file"])

    def begin(self, queue: str, count: int = 1, namespace: str = "default") -> None:
        """Workflows whose first tasks wait in the queue; returns when the server tells of all of them."""
        for number in range(count):
            place = ("--task-queue", queue, "--workflow-id", f"{queue}-{number}", "--namespace", namespace)
            self.tell("workflow", "start", "--type", "Order", *place)
        wait_until(lambda: self._backlog(queue, namespace) >= count, f"{count} tasks wait in {queue}", 20)
        counted = ("workflow", "count", "--query", f"TaskQueue = '{queue}'", "--namespace", namespace)
        wait_until(lambda: f"Total: {count}" in self.tell(*counted), f"{count} workflows are found", 20)

    def _backlog(self, queue: str, namespace: str) -> int:
        place = wire.TaskQueue(name=queue, kind=1)
        request = wire.DescribeTaskQueueRequest(
            namespace=namespace, task_queue=place, task_queue_type=1, report_stats=True
        )
        with grpc.insecure_channel(self.address) as channel:
            raw = channel.unary_unary(SERVICE + "DescribeTaskQueue")(request.SerializeToString(), timeout=10)
        return wire.DescribeTaskQueueResponse.FromString(raw).stats.approximate_backlog_count

    def poll(self, queue: str, deployment: str, build: str, wait_s: float = 3.0) -> None:
        """A worker of this version looks for tasks of workflows once: that makes the version known.

        The server wants time to say that there is nothing, or it refuses the poll.
        """
        options = field(1, deployment) + field(2, build) + b"\x18\x02"  # versioned
        request = field(1, "default") + field(2, field(1, queue)) + field(3, "a worker") + field(6, options)
        with grpc.insecure_channel(self.address) as channel:
            channel.unary_unary(SERVICE + "PollWorkflowTaskQueue")(request, timeout=wait_s)


def field(number: int, content: str | bytes) -> bytes:
    """A text or a message as a field of a message, on the wire."""
    raw = content.encode() if isinstance(content, str) else content
    assert len(raw) < 128
    return bytes([number << 3 | 2, len(raw)]) + raw
