"""Creating the Jobs of claimed messages, and the Secrets of those that come as files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.core.claims import answers
from tidegate.core.claims.values import StartTask
from tidegate.core.claims.wishes import Wishes, wishes_of
from tidegate.core.values import EmitEvent, Task
from tidegate.kube.resource import JOBS, SECRETS, ApiError
from tidegate.operator.reconcile.claim_state import ClaimState
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.operator.scaledjob import snapshot
from tidegate.operator.scaledjob.claims import task_job
from tidegate.operator.scaledjob.job_template import Template

Object = dict[str, Any]


class Starting:
    """Creates Jobs; one that is there already is the same one."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    async def start(
        self,
        tracked: Tracked,
        object: ScaledJob,
        state: ClaimState,
        template: Template,
        starts: list[StartTask],
    ) -> None:
        """Creates the Jobs of these messages. Of one whose body we have not, the broker is asked again."""
        wishes, bodies = wishes_of(object.metadata.annotations), list[Object]()
        for one in starts:
            delivery = state.bodies.get(one.id)
            if delivery is None and one.id in state.receipts:
                # Its source tells no body twice.
                state.memory = answers.forgotten(state.memory, one.id)
                continue
            if delivery is None:
                state.memory = replace(state.memory, is_resumed=False)
                continue
            receipt = state.receipts.get(one.id, "")
            delivery = replace(delivery, body=task_job.body_of(delivery, wishes), receipt=receipt)
            task = Task(one.id, one.attempt)
            bodies.append(task_job.job(object, template.spec, task, delivery, wishes, template.uid))
        if not bodies:
            return
        place, now_s = self.steps.place(tracked), self.steps.clock.monotonic()
        views = (snapshot.view_of(body, lambda job: True) for body in bodies)
        tracked.expectations.expect(views, now_s)
        made = await self.steps.writer.create_jobs(place.namespace, bodies)
        now = self.steps.clock.now()
        refused = {name: said for name, said in made.refused if not self._exists(place.namespace, name)}
        for name, _ in made.refused:
            tracked.expectations.observed(name)
        for name in made.created:
            state.memory = answers.started(state.memory, name, now)
        if refused:
            state.memory = answers.refused(state.memory, now)
        general = f"{place.name}-"
        for name, said in (*refused.items(), *made.unknown):
            text = f"Failed to create job {general}: {said.replace(name, general)}"
            await self.steps.writer.event(place, EmitEvent("Warning", "KEDAJobCreateFailed", text))
        if made.created:
            text = f"Created {len(made.created)} jobs"
            await self.steps.writer.event(place, EmitEvent("Normal", "KEDAJobsCreated", text))
        for body in bodies:
            if task_job.BY_FILE in body["metadata"]["annotations"]:
                await self._put_file(state, body, wishes)

    async def put_lost_files(self, tracked: Tracked, object: ScaledJob, state: ClaimState) -> None:
        """Files whose Secret a crash has kept from being made: their messages have just come again."""
        _, namespace, _ = tracked.key
        for id in state.bodies:
            message = state.memory.message(id)
            found = None
            if message is not None:
                name = task_job.name_of(object, Task(id, message.attempt))
                found = self.steps.informers.get(JOBS, namespace, name)
            if found is not None and task_job.BY_FILE in (found["metadata"].get("annotations") or {}):
                await self._put_file(state, found, wishes_of(object.metadata.annotations))

    def _exists(self, namespace: str, name: str) -> bool:
        return self.steps.informers.get(JOBS, namespace, name) is not None

    async def _put_file(self, state: ClaimState, body: Object, wishes: Wishes) -> None:
        """The Secret of a Job, which waits for it."""
        metadata = body["metadata"]
        delivery = state.bodies.get(metadata["annotations"][task_job.MESSAGE_ID])
        if delivery is None:
            return
        delivery = replace(delivery, body=task_job.body_of(delivery, wishes))
        namespace, name = metadata["namespace"], metadata["name"]
        try:
            found = await self.steps.informers.client.get(JOBS, namespace, name)
            secret = task_job.secret(found, found["metadata"]["uid"], delivery)
            await self.steps.writer.create(SECRETS, namespace, secret)
        except ApiError as error:
            if error.reason not in ("AlreadyExists", "NotFound"):
                # Lost with the process it would never be made: the broker tells the message again.
                state.memory = replace(state.memory, is_resumed=False)
                raise
