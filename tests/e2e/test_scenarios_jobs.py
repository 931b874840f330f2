"""ScaledJobs in local mode, whole, on a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.town import Object, Town, living, pods_of
from tidegate.base.errors import Malformed
from tidegate.kube.resource import JOBS, PODS, SCALED_JOBS, ApiError, Resource

pytestmark = pytest.mark.e2e

LABEL = "scaledjob.keda.sh/name"
TEMPLATE = {
    "spec": {"containers": [{"name": "c", "image": "i", "command": ["work"]}], "restartPolicy": "Never"}
}


async def scaled_job(town: Town, *triggers: Object, **spec: Any) -> None:
    """`crunch`, whose pods run until the test ends them."""
    await town.scaled_job("crunch", *triggers, jobTargetRef={"template": TEMPLATE}, **spec)


async def makes(town: Town, count: int, within_s: float = 60, for_s: float = 60) -> None:
    """So many Jobs come about, and no more."""
    await town.becomes(f"{count} Jobs", lambda: len(town.jobs()) == count, within_s)
    await town.stays(f"{count} Jobs", lambda: len(town.jobs()) == count, for_s)


@pytest.mark.parametrize(
    ("minimum", "maximum", "value", "count"), [(2, 10, 0, 2), (1, 10, 1, 2), (2, 1, 0, 1), (2, 4, 3, 4)]
)
def test_minimum_and_maximum_count_unfinished_jobs(
    minimum: int, maximum: int, value: int, count: int
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=value) as town:
            await scaled_job(town, pollingInterval=5, minReplicaCount=minimum, maxReplicaCount=maximum)
            await makes(town, count)
            assert town.condition(SCALED_JOBS, "crunch", "Active")[:2] == ("True", "ScalerActive")

    virtualtime.run(story)


def test_a_template_that_the_server_refuses_leaves_the_object_not_ready_in_the_server_s_words() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=2) as town:
            container = {"name": "c", "image": "i", "command": ["work"], "imagePullPolicy": "Sometimes"}
            template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
            await town.scaled_job("crunch", jobTargetRef={"template": template}, pollingInterval=5)
            await clock.sleep(60)
            assert town.jobs() == []
            status, reason, text = town.condition(SCALED_JOBS, "crunch", "Ready")
            assert (status, reason) == ("False", "ScaledJobCheckFailed")
            assert text.startswith("Failed to create job crunch-: ")
            assert 'imagePullPolicy: Unsupported value: "Sometimes"' in text
            await town.patch(SCALED_JOBS, "crunch", {"spec": {"jobTargetRef": {"template": TEMPLATE}}})
            await makes(town, 2)
            assert town.condition(SCALED_JOBS, "crunch", "Ready")[0] == "True"

    virtualtime.run(story)


@pytest.mark.parametrize(("strategy", "steps"), [("accurate", (4, 4, 4)), ("eager", (4, 4, 8))])
def test_jobs_that_take_their_message_at_once_let_new_messages_start_new_jobs(
    strategy: str, steps: tuple[int, ...]
) -> None:
    towns: list[Town] = []

    def take(pod: Object) -> None:
        """A pod takes one message when it starts, and works on."""
        if LABEL in pod["metadata"]["labels"]:
            towns[0].redis.lists["jobs"] -= 1

    async def story(clock: Any) -> None:
        async with living(clock, take, jobs=0) as town:
            towns.append(town)
            spec = {"maxReplicaCount": 10, "scalingStrategy": {"strategy": strategy}, "pollingInterval": 5}
            await scaled_job(town, **spec)
            await clock.sleep(10)
            for more, count in zip(steps, (4, 8, 10), strict=True):
                town.redis.lists["jobs"] += more
                await makes(town, count)

    virtualtime.run(story)


@pytest.mark.parametrize(("load", "count"), [(redis("jobs"), 3), (pods_of("monitored"), 2)])
def test_as_many_jobs_as_messages_or_pods_make_a_ready_and_active_object(load: Object, count: int) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            await town.deployment("monitored", 2)
            await clock.sleep(5)
            await scaled_job(town, load, pollingInterval=5, maxReplicaCount=5)
            await makes(town, count)
            assert town.condition(SCALED_JOBS, "crunch", "Ready")[:2] == ("True", "ScaledJobReady")
            assert town.condition(SCALED_JOBS, "crunch", "Active")[:2] == ("True", "ScalerActive")
            told = [
                one for one in town.events("crunch") if one[1] in ("KEDAScalersStarted", "ScaledJobReady")
            ]
            assert sorted(one[2] for one in told) == [
                "ScaledJob is ready for scaling",
                f"Scaler {load['type']} is built",
                "Started scalers watch",
            ]

    virtualtime.run(story)


def test_a_missing_queue_makes_the_object_neither_ready_nor_active() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            town.redis.trouble = Malformed("read the queue", answer="no such queue")
            await scaled_job(town, pollingInterval=5)
            await clock.sleep(20)
            assert town.condition(SCALED_JOBS, "crunch", "Ready")[:2] == ("False", "TriggerError")
            assert town.condition(SCALED_JOBS, "crunch", "Active")[:2] == ("False", "ScalerNotActive")
            assert town.jobs() == []

    virtualtime.run(story)


def test_a_broken_trigger_beside_a_good_one_makes_it_partly_ready_and_jobs_come() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored", 2)
            await clock.sleep(5)
            town.redis.trouble = Malformed("read the queue", answer="no such queue")
            await scaled_job(town, pods_of("monitored"), redis("jobs"), pollingInterval=5)
            await makes(town, 2)
            assert town.condition(SCALED_JOBS, "crunch", "Ready")[:2] == ("Unknown", "PartialTriggerError")
            assert town.condition(SCALED_JOBS, "crunch", "Active")[0] == "True"

    virtualtime.run(story)


def test_an_object_without_triggers_is_refused() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            body = {"jobTargetRef": {"template": TEMPLATE}, "triggers": []}
            with pytest.raises(ApiError, match=r"spec\.triggers in body should have at least 1 items"):
                await town.create(SCALED_JOBS, "crunch", spec=body)

    virtualtime.run(story)


@pytest.mark.parametrize("end", [None, "false"])
def test_under_a_pause_the_running_job_succeeds_and_stays_and_no_other_comes(end: str | None) -> None:
    def lasts(pod: Object) -> tuple[float, str]:
        return 20, "Succeeded"

    async def annotate(town: Town, text: str | None) -> None:
        wanted = {"metadata": {"annotations": {"autoscaling.keda.sh/paused": text}}}
        await town.patch(SCALED_JOBS, "crunch", wanted)

    async def story(clock: Any) -> None:
        async with living(clock, lasts, jobs=1) as town:
            limits = {"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 0}
            await scaled_job(town, pollingInterval=5, maxReplicaCount=1, **limits)
            await town.becomes("a Job runs", lambda: len(town.unfinished()) == 1, 30)
            await annotate(town, "true")
            (job,) = town.jobs()
            await town.becomes("it has succeeded", lambda: town.unfinished() == [], 60)
            await town.stays("it stays, alone", lambda: town.jobs() == [job], 60)
            await annotate(town, end)
            await town.becomes("another comes", lambda: town.unfinished() not in ([], [job]), 30)
            await town.becomes("the history is trimmed", lambda: job not in town.jobs(), 30)

    virtualtime.run(story)


def test_excluded_labels_are_not_on_the_jobs() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            metadata = {
                "labels": {"team": "data", "kept": "yes"},
                "annotations": {"scaledjob.keda.sh/job-excluded-labels": "team"},
            }
            await scaled_job(town, metadata=metadata)
            await makes(town, 1, for_s=1)
            (job,) = town.objects.list(JOBS, "shop")
            assert job["metadata"]["labels"]["kept"] == "yes"
            assert "team" not in job["metadata"]["labels"]

    virtualtime.run(story)


def test_a_trigger_that_an_hpa_would_read_is_told_as_wrong() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            cpu = {"type": "cpu", "metadata": {"value": "many"}}
            await scaled_job(town, cpu, pollingInterval=5)
            await clock.sleep(5)
            told = [one for one in town.events("crunch") if one[1] == "ScaledJobCheckFailed"]
            stage = "ScaledJob doesn't have correct triggers specification"
            assert [one[0] for one in told] == ["Warning"]
            assert told[0][2].startswith(f"{stage}: spec.triggers[0]")
            assert town.condition(SCALED_JOBS, "crunch", "Ready") == (
                "False",
                "ScaledJobCheckFailed",
                told[0][2],
            )

    virtualtime.run(story)


def test_a_queue_is_worked_off_and_the_history_kept_short() -> None:
    """A Job's message leaves the queue when the Job ends, as with a consumer that acknowledges."""

    def work(pod: Object) -> tuple[float, str]:
        return 7, "Succeeded"

    async def story(clock: Any) -> None:
        async with living(clock, work, jobs=30) as town:
            limits = {"successfulJobsHistoryLimit": 3, "pollingInterval": 5, "maxReplicaCount": 5}
            await scaled_job(town, **limits)
            seen: set[str] = set()
            done: set[str] = set()
            while town.redis.lists["jobs"] > 0 or town.unfinished():
                assert clock.monotonic() < 600
                unfinished = set(town.unfinished())
                assert len(unfinished) <= 5
                ended = (seen - unfinished) - done
                town.redis.lists["jobs"] -= len(ended)
                done |= ended
                seen |= unfinished
                await clock.sleep(0.1)
            assert len(seen) == 30
            await town.becomes("three are kept", lambda: len(town.jobs()) == 3, 30)

    virtualtime.run(story)


def test_refused_jobs_are_not_told_as_created_and_come_when_they_may() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            admitted: set[str] = set()

            def refuse(resource: Resource, body: Object) -> ApiError | None:
                if resource != JOBS or not admitted:
                    admitted.update([body["metadata"]["name"]] if resource == JOBS else [])
                    return None
                return ApiError(403, "Forbidden", "exceeded quota")

            town.refuse(refuse)
            await scaled_job(town, pollingInterval=5)
            await makes(town, 1, for_s=60)
            told = [one for one in town.events("crunch") if one[1] == "KEDAJobsCreated"]
            assert [one[2] for one in told] == ["Created 1 jobs"]
            town.refuse(lambda resource, body: None)
            await makes(town, 3)

    virtualtime.run(story)


def test_without_a_maximum_a_minimum_comes_on_top_of_a_hundred_jobs() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=500) as town:
            await scaled_job(town, pollingInterval=5, minReplicaCount=5)
            await makes(town, 105, for_s=30)

    virtualtime.run(story)


def test_a_kill_in_the_middle_doubles_no_job() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=6) as town:
            await scaled_job(town, pollingInterval=5, maxReplicaCount=10)
            await town.becomes("the first Job is there", lambda: town.jobs() != [], 30)
            for _ in range(3):
                await town.kill_operator()
                town.start_operator()
                await clock.sleep(0.05)
            await makes(town, 6)

    virtualtime.run(story)


def test_a_clock_starts_jobs_in_its_hours_and_at_no_other_time() -> None:
    def lasts(pod: Object) -> tuple[float, str]:
        return 20, "Succeeded"

    async def story(clock: Any) -> None:
        async with living(clock, lasts) as town:
            metadata = {"timezone": "UTC", "start": "5 8 * * *", "end": "10 8 * * *", "desiredReplicas": "2"}
            await scaled_job(town, {"type": "cron", "metadata": metadata}, pollingInterval=60)
            await town.stays("there is none", lambda: town.jobs() == [], 299)
            await town.becomes("two run", lambda: len(town.unfinished()) == 2, 3)
            begun_s = clock.monotonic()
            while clock.monotonic() < begun_s + 299:
                assert len(town.unfinished()) <= 2
                await clock.sleep(1)
            count = len(town.jobs())
            assert count == 10, "two in every polling interval"
            await town.stays("no more come", lambda: len(town.jobs()) == count, 600)

    virtualtime.run(story)


def test_a_trigger_that_is_active_at_nothing_starts_no_job() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await scaled_job(town, redis("jobs", activationListLength="-1"), pollingInterval=5)
            await town.stays("there is no Job", lambda: town.jobs() == [], 60)
            assert town.condition(SCALED_JOBS, "crunch", "Active")[:2] == ("False", "ScalerNotActive")
            assert town.condition(SCALED_JOBS, "crunch", "Ready")[0] == "True"
            town.redis.lists["jobs"] = 1
            await makes(town, 1)

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("rollout", "is_kept"),
    [
        (None, True),
        ({"strategy": "gradual"}, True),
        ({"strategy": "immediate"}, False),
        ({"strategy": "immediate", "propagationPolicy": "background"}, False),
    ],
)
def test_an_edited_template_ends_running_jobs_only_where_the_manifest_says_so(
    rollout: Object | None, is_kept: bool
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            more = {"rollout": rollout} if rollout else {}
            await scaled_job(town, pollingInterval=5, maxReplicaCount=3, **more)
            await makes(town, 3, for_s=10)
            before = set(town.jobs())
            container = {**TEMPLATE["spec"]["containers"][0], "image": "j"}
            template = {"spec": {**TEMPLATE["spec"], "containers": [container]}}
            edit = {"spec": {"jobTargetRef": {"template": template}}}
            await town.patch(SCALED_JOBS, "crunch", edit)
            if is_kept:
                await town.stays("they run on", lambda: set(town.unfinished()) == before, 60)
                return
            await town.becomes("they are gone", lambda: before.isdisjoint(town.jobs()), 30)
            await town.becomes("others have taken their place", lambda: len(town.jobs()) == 3, 30)
            await town.becomes("their pods are gone", lambda: len(town.objects.list(PODS, "shop")) == 3, 30)

    virtualtime.run(story)
