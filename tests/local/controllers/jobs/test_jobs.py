from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from parts.acting_node import Outcome
from parts.virtualtime import START
from parts.world import World, die_everywhere, on_the_plane
from tidegate.base.times import format_time
from tidegate.kube.resource import JOBS, PODS, ApiError
from tidegate.local.controllers import conditions
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.jobs import pod_tally
from tidegate.local.controllers.jobs.jobs import Jobs, pod_of
from tidegate.local.controllers.jobs.ranges import format_ranges, parse_ranges
from tidegate.local.objects import Object


def team(objects, clock):
    return [Jobs(objects, clock), Scheduler(objects, clock)]


def job(name: str = "work", restart: str = "Never", **spec: Any) -> Object:
    spec = {"parallelism": 1, "completions": 1, "backoffLimit": 6, **spec}
    template = {
        "metadata": {"labels": {"app": "w"}},
        "spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "i"}]},
    }
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"template": template, **spec}}


def status(world: World, name: str = "work") -> dict[str, Any]:
    found = world.objects.get(JOBS, "default", name)
    assert found is not None
    return found.get("status") or {}


def ended(world: World) -> list[tuple[str, str]]:
    true = [one for one in status(world).get("conditions", []) if one["status"] == "True"]
    return [(one["type"], one["reason"]) for one in true]


def after(seconds: float, phase: str = "Succeeded"):
    return lambda pod: (seconds, phase)


def by_attempt(*phases: str):
    """The first Pod ends as the first phase says, and so on; the last one repeats. Each takes 5 s."""

    def outcome(pod: Object) -> Outcome:
        number = pod_tally.attempt(pod)
        assert number is not None
        return 5, phases[min(number, len(phases) - 1)]

    return outcome


def test_one_pod_runs_and_the_job_is_complete(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job())
        await world.pass_s(2)
        assert status(world) == {
            "active": 1, "ready": 1, "terminating": 0, "startTime": "2026-01-05T08:00:00Z",
            "uncountedTerminatedPods": {},
        }  # fmt: skip
        (pod,) = world.objects.list(PODS)
        created = world.objects.get(JOBS, "default", "work")
        assert created
        labels = pod["metadata"]["labels"]
        assert labels["app"] == "w"
        assert labels["job-name"] == labels["batch.kubernetes.io/job-name"] == "work"
        uid = created["metadata"]["uid"]
        assert labels["controller-uid"] == labels["batch.kubernetes.io/controller-uid"] == uid
        assert pod["metadata"]["ownerReferences"][0]["uid"] == uid
        assert "finalizers" not in pod["metadata"] or pod["metadata"]["finalizers"] == []
        await world.pass_s(20)
        assert ended(world) == [
            ("SuccessCriteriaMet", "CompletionsReached"),
            ("Complete", "CompletionsReached"),
        ]
        found = status(world)
        assert found["succeeded"] == 1
        assert "active" not in found
        assert found["completionTime"] == "2026-01-05T08:00:10Z"
        assert [one["lastProbeTime"] for one in found["conditions"]] == ["2026-01-05T08:00:10Z"] * 2
        assert len(world.objects.events("SuccessfulCreate")) == 1
        assert world.objects.events("Completed") == ["Job completed"]

    live(scenario, team, after(10))


def test_parallelism_bounds_what_runs_and_completions_what_succeeds(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(parallelism=3, completions=8))
        await world.pass_s(300)
        assert status(world)["succeeded"] == 8
        assert len(world.node.started) == 8
        assert world.node.most_at_once == 3

    live(scenario, team, after(10))


def test_without_completions_the_first_success_lets_the_others_end_and_starts_no_more(live):
    async def scenario(world: World) -> None:
        body = job(parallelism=3)
        del body["spec"]["completions"]
        await world.objects.create(JOBS, body)
        await world.pass_s(100)
        assert len(world.node.started) == 3
        assert ("Complete", "CompletionsReached") in ended(world)

    live(scenario, team, lambda pod: (10 + 5 * pod_tally.attempt(pod), "Succeeded"))


def test_failures_are_repeated_after_10_s_and_then_twice_as_long(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job())
        starts = []
        for _ in range(200):
            await world.pass_s(1)
            while len(starts) < len(world.node.started):
                starts.append(round(world.clock.monotonic()))
        gaps = [b - a for a, b in itertools.pairwise(starts)]
        assert gaps == [15, 25, 45]
        assert ("Complete", "CompletionsReached") in ended(world)
        assert status(world)["failed"] == 3

    live(scenario, team, by_attempt("Failed", "Failed", "Failed", "Succeeded"))


@pytest.mark.parametrize(("limit", "pods"), [(0, 1), (2, 3)])
def test_more_failed_pods_than_the_limit_fail_the_job(live, limit: int, pods: int):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(backoffLimit=limit))
        await world.pass_s(3000)
        assert len(world.node.started) == pods
        assert status(world)["failed"] == pods
        assert ended(world) == [
            ("FailureTarget", "BackoffLimitExceeded"),
            ("Failed", "BackoffLimitExceeded"),
        ]
        assert world.objects.events("BackoffLimitExceeded") == ["Job has reached the specified backoff limit"]

    live(scenario, team, after(5, "Failed"))


@pytest.mark.parametrize(
    ("limit", "restarts", "expected"), [(0, 0, False), (0, 1, True), (3, 2, False), (3, 3, True)]
)
def test_restarts_in_place_count_against_the_limit(live, limit: int, restarts: int, expected: bool):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(restart="OnFailure", backoffLimit=limit))
        await world.pass_s(5)
        (pod,) = world.objects.list(PODS)
        pod["status"]["containerStatuses"] = [{"name": "c", "restartCount": restarts}]
        await world.objects.update(PODS, pod, subresource="status")
        await world.pass_s(5)
        assert (("Failed", "BackoffLimitExceeded") in ended(world)) is expected
        assert len(world.objects.list(PODS)) == (0 if expected else 1)

    live(scenario, team)


def test_a_passed_deadline_ends_the_pods_before_the_job_has_failed(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(parallelism=2, completions=2, activeDeadlineSeconds=30))
        await world.pass_s(29)
        assert ended(world) == []
        await world.pass_s(1.5)
        assert ended(world) == [("FailureTarget", "DeadlineExceeded")]
        assert len(world.objects.list(PODS)) == 2
        await world.pass_s(2)
        assert ("Failed", "DeadlineExceeded") in ended(world)
        assert world.objects.list(PODS) == []
        assert status(world)["failed"] == 2
        assert world.objects.events("DeadlineExceeded") == ["Job was active longer than specified deadline"]

    live(scenario, team)


def test_seconds_beyond_the_calendar_are_never_over(live):
    async def scenario(world: World) -> None:
        most = 2**63 - 1
        await world.objects.create(JOBS, job(activeDeadlineSeconds=most, ttlSecondsAfterFinished=most))
        await world.pass_s(100)
        assert ("Complete", "CompletionsReached") in ended(world)
        assert world.objects.get(JOBS, "default", "work") is not None

    live(scenario, team, after(10))


def test_suspending_ends_the_pods_and_stops_the_clock_and_resuming_starts_both(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(activeDeadlineSeconds=50))
        await world.pass_s(20)
        await world.objects.patch(JOBS, "default", "work", {"spec": {"suspend": True}})
        await world.pass_s(100)
        assert world.objects.list(PODS) == []
        assert ended(world) == [("Suspended", "JobSuspended")]
        assert "startTime" not in status(world)
        assert "failed" not in status(world)
        await world.objects.patch(JOBS, "default", "work", {"spec": {"suspend": False}})
        await world.pass_s(20)
        assert status(world)["startTime"] == "2026-01-05T08:02:00Z"
        assert status(world)["active"] == 1
        assert ended(world) == []
        assert world.objects.events("Resumed") == ["Job resumed"]

    live(scenario, team)


def test_a_job_that_begins_suspended_starts_nothing(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(suspend=True))
        await world.pass_s(100)
        assert world.node.started == []
        assert ended(world) == [("Suspended", "JobSuspended")]

    live(scenario, team, after(1))


def test_a_finished_job_goes_when_its_time_to_live_has_passed(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(ttlSecondsAfterFinished=60))
        await world.pass_s(60)
        assert ("Complete", "CompletionsReached") in ended(world)
        await world.pass_s(20)
        assert world.objects.get(JOBS, "default", "work") is None

    live(scenario, team, after(10))


def test_a_finished_pod_that_is_deleted_is_not_run_again(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(completions=3))
        await world.pass_s(25)
        done = [pod for pod in world.objects.list(PODS) if pod["status"]["phase"] == "Succeeded"]
        assert len(done) == 2
        for pod in done:
            await world.objects.delete(PODS, "default", pod["metadata"]["name"])
        await world.pass_s(60)
        assert len(world.node.started) == 3
        assert status(world)["succeeded"] == 3

    live(scenario, team, after(10))


def test_a_pod_that_ends_and_is_deleted_before_anybody_looks_still_counts(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job())
        await world.pass_s(5)
        (pod,) = world.objects.list(PODS)
        name = pod["metadata"]["name"]
        # A first change is looked at at once, so the next ones wait until the gap has passed.
        await world.objects.patch(PODS, "default", name, {"metadata": {"annotations": {"x": "y"}}})
        await world.pass_s(0.001)
        await world.objects.patch(PODS, "default", name, {"status": {"phase": "Succeeded"}}, "status")
        await world.objects.delete(PODS, "default", name)
        assert "succeeded" not in status(world)
        await world.pass_s(60)
        assert len(world.node.started) == 1
        assert status(world)["succeeded"] == 1

    live(scenario, team)


def test_a_running_pod_that_is_deleted_is_replaced_and_is_no_failure(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(backoffLimit=0))
        await world.pass_s(5)
        (pod,) = world.objects.list(PODS)
        await world.objects.delete(PODS, "default", pod["metadata"]["name"])
        await world.pass_s(60)
        assert len(world.node.started) == 2
        assert len(set(world.node.started)) == 2
        assert ("Complete", "CompletionsReached") in ended(world)

    live(scenario, team, after(20))


def test_a_replacement_waits_for_the_end_of_its_predecessor_where_the_policy_says_so(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(podReplacementPolicy="Failed"))
        await world.pass_s(5)
        (pod,) = world.objects.list(PODS)
        await world.objects.delete(PODS, "default", pod["metadata"]["name"])
        await world.pass_s(0.5)
        assert len(world.objects.list(PODS)) == 1
        await world.pass_s(5)
        assert len(world.node.started) == 2

    live(scenario, team, after(20))


@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
def test_only_an_indexed_job_has_indexes_and_none_has_failed_ones(live, mode: str):
    async def scenario(world: World) -> None:
        body = job(completionMode=mode, completions=3, parallelism=1, backoffLimit=9)
        await world.objects.create(JOBS, body)
        await world.pass_s(500)
        assert status(world)["succeeded"] == 3
        assert status(world)["failed"] == 1
        assert "failedIndexes" not in status(world)
        assert status(world).get("completedIndexes") == ("0-2" if mode == "Indexed" else None)
        found = world.objects.get(JOBS, "default", "work")
        assert found
        note = "failed=0" if mode == "Indexed" else "succeeded=1-3;failed=0"
        assert found["metadata"]["annotations"]["tidegate.dev/ended-attempts"] == note

    live(scenario, team, by_attempt("Failed", "Succeeded"))


def test_lowered_parallelism_ends_the_surplus(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(parallelism=4, completions=4))
        await world.pass_s(5)
        await world.objects.patch(JOBS, "default", "work", {"spec": {"parallelism": 1}})
        await world.pass_s(5)
        assert len(world.objects.list(PODS)) == 1
        assert status(world)["active"] == 1

    live(scenario, team)


def test_an_indexed_job_runs_each_index_to_its_end(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(completionMode="Indexed", completions=3, parallelism=2))
        await world.pass_s(500)
        assert status(world)["completedIndexes"] == "0-2"
        assert status(world)["failed"] == 1
        assert len(world.node.started) == 4
        seen = {}
        for pod in world.objects.list(PODS):
            index = pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"]
            variables = {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"]}
            assert variables["JOB_COMPLETION_INDEX"] == index
            seen.setdefault(index, []).append(pod["status"]["phase"])
        assert {index: sorted(phases) for index, phases in seen.items()} == {
            "0": ["Succeeded"],
            "1": ["Failed", "Succeeded"],
            "2": ["Succeeded"],
        }

    def outcome(pod: Object) -> Outcome:
        return 5, "Failed" if pod_tally.attempt(pod) == 1 else "Succeeded"

    live(scenario, team, outcome)


def test_a_refused_pod_is_told_and_tried_again(live):
    async def scenario(world: World) -> None:
        world.objects.refuse = lambda resource, body: (
            ApiError(422, "Invalid", "no such thing") if resource == PODS else None
        )
        await world.objects.create(JOBS, job())
        await world.pass_s(5)
        assert world.objects.events("FailedCreate") == ["Error creating: no such thing"]
        assert "active" not in status(world)
        assert status(world)["startTime"]
        world.objects.refuse = lambda resource, body: None
        await world.pass_s(300)
        assert ("Complete", "CompletionsReached") in ended(world)

    live(scenario, team, after(1))


def test_a_name_that_somebody_else_has_is_passed_over(live):
    async def scenario(world: World) -> None:
        await world.kill()
        made = await world.objects.create(JOBS, job())
        taken = pod_of(made, 0)
        del taken["metadata"]["ownerReferences"]
        await world.objects.create(PODS, taken)
        world.start()
        await world.pass_s(60)
        assert ("Complete", "CompletionsReached") in ended(world)
        names = [pod["metadata"]["name"] for pod in world.objects.list(PODS)]
        assert sorted(names) == sorted([taken["metadata"]["name"], pod_of(made, 1)["metadata"]["name"]])

    live(scenario, team, after(5))


def test_a_repeated_create_meets_itself(live):
    class Forgetful:
        """Objects that do not show whom a Job owns: as if the create had not been seen yet."""

        def __init__(self, objects) -> None:
            self.objects = objects

        def __getattr__(self, name: str) -> Any:
            return getattr(self.objects, name)

        def owned(self, uid: str) -> list[Any]:
            return []

    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job())
        await world.pass_s(5)
        await world.kill()
        world.start(Forgetful(world.objects))
        await world.pass_s(5)
        assert len(world.objects.list(PODS)) == 1
        assert world.objects.events("FailedCreate") == []

    live(scenario, team)


def test_another_controllers_job_is_left_alone(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(managedBy="example.com/other"))
        await world.pass_s(50)
        assert world.objects.list(PODS) == []

    live(scenario, team)


def test_a_job_at_rest_writes_nothing(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job())
        await world.pass_s(60)
        assert await world.writes_at_rest(600) == 0

    live(scenario, team, after(10))


@pytest.mark.parametrize(
    ("spec", "phases", "pods", "end"),
    [
        ({"parallelism": 2, "completions": 4}, ("Succeeded",), 4, "Complete"),
        ({"completions": 2}, ("Failed", "Succeeded"), 3, "Complete"),
        ({"backoffLimit": 1}, ("Failed",), 2, "Failed"),
    ],
)
def test_killed_at_any_write_nothing_is_lost_and_nothing_runs_twice(
    spec: dict[str, Any], phases: tuple[str, ...], pods: int, end: str
):
    async def begin(world: World) -> None:
        await world.objects.create(JOBS, job(**spec))

    async def check(world: World) -> None:
        await world.pass_s(600)
        assert len(world.node.started) == pods
        assert end in [type for type, _ in ended(world)]
        assert world.node.most_at_once <= spec.get("parallelism", 1)

    writes = die_everywhere(begin, check, team, by_attempt(*phases))
    assert writes >= 4 * pods


def test_killed_at_any_write_of_the_real_store_one_pod_runs_once():
    async def begin(world: World) -> None:
        await world.objects.create(JOBS, job())

    async def check(world: World) -> None:
        await world.pass_s(100)
        assert len(world.node.started) == 1
        assert "Complete" in [type for type, _ in ended(world)]

    assert die_everywhere(begin, check, team, after(5), backing=on_the_plane) >= 7


def test_killed_at_any_write_a_deadline_is_still_kept():
    async def begin(world: World) -> None:
        await world.objects.create(JOBS, job(parallelism=2, completions=2, activeDeadlineSeconds=20))

    async def check(world: World) -> None:
        await world.pass_s(100)
        assert ("Failed", "DeadlineExceeded") in ended(world)
        assert world.objects.list(PODS) == []
        assert status(world)["failed"] == 2

    assert die_everywhere(begin, check, team) > 6


def pod(number: int, phase: str, finished_s: int = 0, *, is_deleting: bool = False) -> Object:
    metadata = {
        "name": f"p{number}",
        "annotations": {pod_tally.ATTEMPT: str(number)},
        "creationTimestamp": "2026-01-05T08:00:00Z",
    }
    if is_deleting:
        metadata["deletionTimestamp"] = "2026-01-05T08:00:00Z"
    moment = format_time(START + timedelta(seconds=finished_s))
    return {
        "metadata": metadata,
        "status": {
            "phase": phase,
            "containerStatuses": [{"state": {"terminated": {"finishedAt": moment}}}],
        },
    }


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([pod(0, "Succeeded")], ({0}, set(), 0, 0)),
        ([pod(0, "Succeeded", is_deleting=True)], ({0}, set(), 0, 0)),
        ([pod(0, "Failed")], (set(), {0}, 0, 0)),
        ([pod(0, "Failed", is_deleting=True)], (set(), set(), 0, 0)),
        ([pod(0, "Running"), pod(1, "Pending")], (set(), set(), 2, 0)),
        ([pod(0, "Running", is_deleting=True)], (set(), set(), 0, 1)),
    ],
)
def test_each_pod_is_counted_for_what_it_is(pods: list[Object], expected: Any):
    counted = pod_tally.count(job(), pods)
    found = (set(counted.succeeded), set(counted.failed), len(counted.active), len(counted.terminating))
    assert found == expected


OLD = {"status": {"completedIndexes": "0-2,5", "failedIndexes": "3"}}
NOTED = {"annotations": {"tidegate.dev/ended-attempts": "succeeded=0-2,5;failed=3"}}


@pytest.mark.parametrize("kept", [OLD, {"metadata": {**job()["metadata"], **NOTED}}], ids=["old", "new"])
def test_what_was_counted_stays_counted(kept: Object):
    body = job(completions=9) | kept
    counted = pod_tally.count(body, [pod(5, "Succeeded"), pod(6, "Succeeded")])
    assert set(counted.succeeded) == {0, 1, 2, 5, 6}
    assert set(counted.failed) == {3}
    assert pod_tally.next_attempts(job(completions=9, parallelism=2), counted, 500) == [7, 8]


@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
def test_a_job_that_asks_for_all_pods_of_the_world_gets_them_in_portions(mode):
    most = 2**31 - 1
    asked = job(completionMode=mode, completions=most, parallelism=most)
    assert pod_tally.next_attempts(asked, pod_tally.count(asked, []), 3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("pods", "seconds"),
    [
        ([], 0),
        ([pod(0, "Failed", 5)], 15),
        ([pod(0, "Failed", 5), pod(1, "Failed", 30)], 50),
        ([pod(number, "Failed", number) for number in range(6)], 325),
        ([pod(number, "Failed", number) for number in range(40)], 399),
        ([pod(0, "Failed", 5), pod(1, "Succeeded", 20), pod(2, "Failed", 30)], 40),
        ([pod(0, "Failed", 5), pod(1, "Succeeded", 20)], 0),
        ([pod(0, "Failed", 5, is_deleting=True)], 0),
    ],
)
def test_the_wait_doubles_with_each_failure_since_the_last_success(pods: list[Object], seconds: int):
    assert pod_tally.backoff_left_s(pods, START) == seconds


@pytest.mark.parametrize("text", ["", "0", "0-3,5", "2,4,6-9"])
def test_ranges_read_what_they_write(text: str):
    assert format_ranges(parse_ranges(text)) == text


def test_every_number_of_a_job_has_a_name_of_its_own():
    body = job("a" * 70)
    body["metadata"]["uid"] = "u"
    names = {pod_of(body, number)["metadata"]["name"] for number in range(3000)}
    assert len(names) == 3000
    assert all(len(name) == 63 for name in names)


def test_conditions_keep_their_moment_while_they_stay():
    first = conditions.with_condition([], {"type": "A", "status": "True"}, START)
    later = START.replace(hour=20)
    assert conditions.with_condition(first, {"type": "A", "status": "True"}, later) == first
    changed = conditions.with_condition(first, {"type": "A", "status": "False"}, later)
    assert changed[0]["lastTransitionTime"] == "2026-01-05T20:00:00Z"
