"""The adapter for one frontend: all calls of a round side by side on one HTTP/2 connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.temporal import task_queues_pb2 as wire
from tidegate.connections.temporal.calls import Calls, Lost
from tidegate.kit.question import Question
from tidegate.kit.systems.temporal import (
    BuildBacklog,
    DeploymentVersion,
    QueueBacklog,
    TemporalServer,
    VersionQueues,
    WorkflowCount,
)

CALLS_AT_ONCE = 100
COUNTS_AT_ONCE = 4
"""Visibility is slower, and each namespace has only some calls a second."""

_GRACE_S = 1.0
_TYPES = {
    "workflow": wire.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": wire.TASK_QUEUE_TYPE_ACTIVITY,
    "nexus": wire.TASK_QUEUE_TYPE_NEXUS,
}
_NAMES = {number: name for name, number in _TYPES.items()}


class TemporalConnection:
    """Answers questions about task queues, versions and workflows."""

    batch = 1000
    wake_gap_s = 1.0

    def __init__(self, server: TemporalServer, surroundings: Surroundings) -> None:
        self._label = server.label()
        self._calls = Calls(server, surroundings)
        waves = -(-self.batch // CALLS_AT_ONCE)
        self.patience_s = self._calls.longest_s + waves * surroundings.timeout_s + _GRACE_S

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        await self._calls.open()
        places, counts = asyncio.Semaphore(CALLS_AT_ONCE), asyncio.Semaphore(COUNTS_AT_ONCE)
        lost: list[Lost] = []
        has_answered = False

        async def one(question: Any) -> Any:
            nonlocal has_answered
            async with counts if isinstance(question, WorkflowCount) else places:
                if lost and not has_answered:
                    return lost[0]  # nobody is there: the rest need not find out one by one
                try:
                    answer = await self._one(question)
                except Lost as error:
                    lost.append(error)
                    return error
                except TidegateError as error:
                    answer = error
            has_answered = True
            return answer

        answers = await asyncio.gather(*(one(question) for question in questions))
        if answers and all(isinstance(answer, Unreachable) for answer in answers):
            # Whatever it is dialled anew next time: another address, another certificate.
            await self._calls.close()
            raise answers[0]
        if answers and all(isinstance(answer, Denied) for answer in answers):
            raise answers[0]
        return answers

    async def close(self) -> None:
        await self._calls.close()

    async def _one(self, question: Any) -> Any:
        if isinstance(question, QueueBacklog):
            return await self._queue(question)
        if isinstance(question, DeploymentVersion):
            return await self._version(question)
        if isinstance(question, BuildBacklog):
            return await self._builds(question)
        if isinstance(question, WorkflowCount):
            request = wire.CountWorkflowExecutionsRequest(namespace=question.namespace, query=question.query)
            return (await self._calls.send("CountWorkflowExecutions", request, "count the workflows")).count
        return Unsupported(f"answer {type(question).__name__}", on=self._label)

    async def _queue(self, question: QueueBacklog) -> int:
        attempted = f"read the backlog of {question.queue} ({question.type})"
        request = wire.DescribeTaskQueueRequest(
            namespace=question.namespace,
            task_queue=_normal(question.queue),
            task_queue_type=_TYPES[question.type],
            report_stats=True,
        )
        return self._waiting(await self._calls.send("DescribeTaskQueue", request, attempted), attempted)

    async def _builds(self, question: BuildBacklog) -> int:
        attempted = f"read the backlog of {question.queue} by builds"
        request = wire.DescribeTaskQueueRequest(
            namespace=question.namespace,
            task_queue=_normal(question.queue),
            api_mode=wire.DESCRIBE_TASK_QUEUE_MODE_ENHANCED,
            versions=wire.TaskQueueVersionSelection(
                build_ids=[question.build_id],
                all_active=question.is_all_active,
                unversioned=question.is_unversioned,
            ),
            task_queue_types=[_TYPES[one] for one in question.types],
            report_stats=True,
        )
        reply = await self._calls.send("DescribeTaskQueue", request, attempted)
        found = [one for version in reply.versions_info.values() for one in version.types_info.values()]
        if not found:
            raise Malformed(attempted, on=self._label, answer="the reply holds no versions")
        return sum(self._waiting(one, attempted) for one in found)

    async def _version(self, question: DeploymentVersion) -> VersionQueues:
        attempted = f"read the task queues of {question.deployment}, build {question.build_id}"
        request = wire.DescribeWorkerDeploymentVersionRequest(
            namespace=question.namespace,
            deployment_version=wire.WorkerDeploymentVersion(
                deployment_name=question.deployment, build_id=question.build_id
            ),
            report_task_queue_stats=True,
        )
        reply = await self._calls.send("DescribeWorkerDeploymentVersion", request, attempted)
        status = reply.worker_deployment_version_info.status
        known = status in wire.VersionStatus.values()
        name = wire.VersionStatus.Name(status).removeprefix("VERSION_STATUS_").lower() if known else "unknown"
        backlogs = (
            (one.name, _NAMES.get(one.type, "unknown"), self._waiting(one, attempted))
            for one in reply.version_task_queues
        )
        return VersionQueues(name, tuple(backlogs))

    def _waiting(self, holder: Any, attempted: str) -> int:
        """The backlog in `holder.stats`: a server that does not tell it leaves no 0, but nothing."""
        if not holder.HasField("stats"):
            answer = "the reply holds no statistics"
            raise Malformed(attempted, on=self._label, answer=answer, next_step="the server may be too old")
        return int(holder.stats.approximate_backlog_count)


def _normal(queue: str) -> wire.TaskQueue:
    return wire.TaskQueue(name=queue, kind=wire.TASK_QUEUE_KIND_NORMAL)
