"""What follows failures and successes of Pods: failure policy, limits per index, success policy."""

from __future__ import annotations

from typing import Any

import pytest

from parts.acting_node import Outcome
from parts.world import World, die_everywhere
from tidegate.kube.resource import JOBS, PODS
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.jobs import failure_policy, indexes, pod_tally
from tidegate.local.controllers.jobs.jobs import Jobs
from tidegate.local.objects import Object

MAX = 2**31 - 1


def team(objects, clock):
    return [Jobs(objects, clock), Scheduler(objects, clock)]


def job(**spec: Any) -> Object:
    spec = {"parallelism": 1, "completions": 1, "backoffLimit": 6, **spec}
    template = {
        "metadata": {"labels": {"app": "w"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
    }
    return {"metadata": {"name": "work", "namespace": "default"}, "spec": {"template": template, **spec}}


def indexed(completions: int, **spec: Any) -> Object:
    limits = {"backoffLimit": MAX, "parallelism": 1} | spec
    return job(completionMode="Indexed", completions=completions, **limits)


def on_codes(action: str, *values: int, operator: str = "In", **more: Any) -> dict[str, Any]:
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **more}}


def on_condition(action: str, kind: str, status: str = "True") -> dict[str, Any]:
    return {"action": action, "onPodConditions": [{"type": kind, "status": status}]}


def policy(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"podFailurePolicy": {"rules": list(rules)}, "podReplacementPolicy": "Failed"}


def by_attempt(*phases: str):
    """The first Pod ends as the first phase says, and so on; the last one repeats. Each takes 5 s."""

    def outcome(pod: Object) -> Outcome:
        number = pod_tally.attempt(pod)
        assert number is not None
        return 5, phases[min(number, len(phases) - 1)]

    return outcome


def by_index(phases: dict[int, str], otherwise: str = "Succeeded"):
    def outcome(pod: Object) -> Outcome:
        return 5, phases.get(int(pod["metadata"]["annotations"][indexes.INDEX]), otherwise)

    return outcome


def status(world: World) -> dict[str, Any]:
    found = world.objects.get(JOBS, "default", "work")
    assert found is not None
    return found.get("status") or {}


def ended(world: World) -> list[tuple[str, str]]:
    true = [one for one in status(world).get("conditions", []) if one["status"] == "True"]
    return [(one["type"], one["reason"]) for one in true]


def failed_pod(
    *containers: tuple[str, int], inits: tuple[tuple[str, int], ...] = (), **status: Any
) -> Object:
    def statuses(found: Any) -> list[dict[str, Any]]:
        return [{"name": name, "state": {"terminated": {"exitCode": code}}} for name, code in found]

    told = {"phase": "Failed", "containerStatuses": statuses(containers)}
    return {
        "metadata": {"name": "p", "namespace": "n", "annotations": {pod_tally.ATTEMPT: "0"}},
        "status": {**told, "initContainerStatuses": statuses(inits), **status},
    }


DISRUPTED = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize(
    ("rules", "pod", "expected"),
    [
        ([], failed_pod(("c", 3)), ("Count", "")),
        ([on_codes("Ignore", 3)], failed_pod(("c", 3)), ("Ignore", "")),
        ([on_codes("Ignore", 4)], failed_pod(("c", 3)), ("Count", "")),
        ([on_codes("Ignore", 4, operator="NotIn")], failed_pod(("c", 3)), ("Ignore", "")),
        ([on_codes("Ignore", 4, operator="NotIn")], failed_pod(("c", 0)), ("Count", "")),
        ([on_codes("Ignore", 3, containerName="d")], failed_pod(("c", 3)), ("Count", "")),
        ([on_codes("Ignore", 3, containerName="d")], failed_pod(("c", 1), ("d", 3)), ("Ignore", "")),
        ([on_codes("Ignore", 3)], failed_pod(("c", 0), inits=(("i", 3),)), ("Ignore", "")),
        ([on_condition("Ignore", "DisruptionTarget")], failed_pod(("c", 3), **DISRUPTED), ("Ignore", "")),
        ([on_condition("Ignore", "DisruptionTarget")], failed_pod(("c", 3)), ("Count", "")),
        (
            [on_condition("Ignore", "DisruptionTarget", "False")],
            failed_pod(("c", 3), **DISRUPTED),
            ("Count", ""),
        ),
        ([on_codes("Count", 3), on_codes("FailJob", 3)], failed_pod(("c", 3)), ("Count", "")),
        (
            [on_codes("Ignore", 9), on_codes("FailJob", 3)],
            failed_pod(("c", 3)),
            ("FailJob", "Container c for pod n/p failed with exit code 3 matching FailJob rule at index 1"),
        ),
        (
            [on_condition("FailJob", "ConfigIssue")],
            failed_pod(("c", 3), conditions=[{"type": "ConfigIssue", "status": "True"}]),
            ("FailJob", "Pod n/p has condition ConfigIssue matching FailJob rule at index 0"),
        ),
        ([on_codes("FailIndex", 3)], failed_pod(("c", 3)), ("FailIndex", "")),
    ],
)
def test_the_first_rule_that_matches_decides(rules: list[Any], pod: Object, expected: tuple[str, str]):
    body = indexed(3, backoffLimitPerIndex=1, **policy(*rules))
    found = failure_policy.judge(body, pod)
    assert (found.action, found.message) == expected


def test_a_failure_that_fails_the_job_ends_what_runs_and_is_told(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(completions=2, parallelism=2, **policy(on_codes("FailJob", 42))))
        await world.pass_s(6)
        assert ended(world) == [("FailureTarget", "PodFailurePolicy")]
        await world.pass_s(20)
        assert ended(world) == [("FailureTarget", "PodFailurePolicy"), ("Failed", "PodFailurePolicy")]
        (told,) = world.objects.events("PodFailurePolicy")
        assert "failed with exit code 42 matching FailJob rule at index 0" in told
        assert len(world.node.started) == 2
        assert status(world)["failed"] == 2
        assert "active" not in status(world)

    live(scenario, team, lambda pod: (5, "Failed:42") if pod_tally.attempt(pod) == 0 else None)


def test_an_ignored_failure_counts_for_nothing_and_is_made_good(live):
    async def scenario(world: World) -> None:
        rules = policy(on_condition("Ignore", "DisruptionTarget"))
        await world.objects.create(JOBS, job(backoffLimit=0, **rules))
        await world.pass_s(60)
        assert ended(world)[-1] == ("Complete", "CompletionsReached")
        assert "failed" not in status(world)
        assert len(world.node.started) == 3

    live(scenario, team, by_attempt("Failed:DisruptionTarget", "Failed:DisruptionTarget", "Succeeded"))


def test_ignored_failures_in_a_row_are_a_second_apart(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, job(**policy(on_codes("Ignore", 3))))
        await world.pass_s(60)
        assert 20 < len(world.node.started) <= 61

    live(scenario, team, lambda pod: (0, "Failed:3"))


def test_an_index_fails_by_itself_and_the_others_go_on(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, indexed(4, parallelism=2, backoffLimitPerIndex=1))
        await world.pass_s(300)
        found = status(world)
        assert (found["completedIndexes"], found["failedIndexes"]) == ("0,2-3", "1")
        assert (found["succeeded"], found["failed"]) == (3, 2)
        assert ended(world) == [("FailureTarget", "FailedIndexes"), ("Failed", "FailedIndexes")]
        assert world.objects.events("FailedIndexes") == ["Job has failed indexes"]
        counts = {
            pod["metadata"]["annotations"][indexes.FAILURES]
            for pod in world.objects.list(PODS)
            if pod["metadata"]["annotations"][indexes.INDEX] == "1"
        }
        assert counts == {"0", "1"}

    live(scenario, team, by_index({1: "Failed:7"}))


def test_one_index_that_waits_holds_up_no_other(live):
    async def scenario(world: World) -> None:
        await world.objects.create(JOBS, indexed(3, parallelism=1, backoffLimitPerIndex=5))
        await world.pass_s(14)
        assert len(world.node.started) >= 3
        assert status(world)["completedIndexes"] == "1"

    live(scenario, team, by_index({0: "Failed:7"}))


def test_more_failed_indexes_than_allowed_end_the_job(live):
    async def scenario(world: World) -> None:
        limits = {"backoffLimitPerIndex": 0, "maxFailedIndexes": 1}
        await world.objects.create(JOBS, indexed(9, **limits))
        await world.pass_s(300)
        assert status(world)["failedIndexes"] == "0-1"
        assert ended(world)[-1] == ("Failed", "MaxFailedIndexesExceeded")
        assert len(world.node.started) == 2

    live(scenario, team, by_index({}, "Failed"))


def test_a_rule_fails_an_index_before_its_limit(live):
    async def scenario(world: World) -> None:
        rules = policy(on_codes("FailIndex", 42))
        await world.objects.create(JOBS, indexed(2, backoffLimitPerIndex=5, **rules))
        await world.pass_s(300)
        assert status(world)["failedIndexes"] == "0"
        assert status(world)["completedIndexes"] == "1"
        assert status(world)["failed"] == 1
        assert len(world.node.started) == 2

    live(scenario, team, by_index({0: "Failed:42"}))


def test_an_index_that_has_failed_stays_so_when_its_pod_is_gone(live):
    async def scenario(world: World) -> None:
        rules = policy(on_codes("FailIndex", 42))
        await world.objects.create(JOBS, indexed(2, backoffLimitPerIndex=5, **rules))
        await world.pass_s(8)
        assert status(world)["failedIndexes"] == "0"
        (pod,) = [one for one in world.objects.list(PODS) if one["status"]["phase"] == "Failed"]
        await world.objects.delete(PODS, "default", pod["metadata"]["name"])
        await world.pass_s(100)
        assert status(world)["failedIndexes"] == "0"
        assert len(world.node.started) == 2

    live(scenario, team, by_index({0: "Failed:42"}))


@pytest.mark.parametrize(
    ("rules", "succeeded", "expected"),
    [
        ([], {0}, None),
        ([{"succeededCount": 2}], {0}, None),
        ([{"succeededCount": 2}], {0, 5}, 0),
        ([{"succeededIndexes": "0,2-3"}], {0, 2}, None),
        ([{"succeededIndexes": "0,2-3"}], {0, 2, 3}, 0),
        ([{"succeededIndexes": "0,2-3", "succeededCount": 1}], {3}, 0),
        ([{"succeededIndexes": "0,2-3", "succeededCount": 1}], {1, 4}, None),
        ([{"succeededCount": 9}, {"succeededIndexes": "1"}], {1}, 1),
    ],
)
def test_a_success_policy_is_met_by_number_or_by_name(
    rules: list[Any], succeeded: set[int], expected: int | None
):
    assert indexes.met_rule(indexed(9, successPolicy={"rules": rules}), succeeded) == expected


def test_when_enough_has_succeeded_the_rest_is_ended(live):
    async def scenario(world: World) -> None:
        rules = {"rules": [{"succeededIndexes": "0"}]}
        await world.objects.create(JOBS, indexed(3, parallelism=3, successPolicy=rules))
        await world.pass_s(60)
        assert ended(world) == [("SuccessCriteriaMet", "SuccessPolicy"), ("Complete", "SuccessPolicy")]
        assert status(world)["conditions"][0]["message"] == "Matched rules at index 0"
        assert status(world)["succeeded"] == 1
        assert "failed" not in status(world)
        assert "completionTime" in status(world)
        assert world.objects.events("Completed") == ["Job completed"]

    live(scenario, team, lambda pod: (5, "Succeeded") if pod_tally.attempt(pod) == 0 else None)


@pytest.mark.parametrize(
    ("body", "outcome", "pods", "end", "expected"),
    [
        (
            job(completions=2, **policy(on_codes("FailJob", 42))),
            by_attempt("Succeeded", "Failed:42"),
            2,
            ("Failed", "PodFailurePolicy"),
            {"succeeded": 1, "failed": 1},
        ),
        (
            job(backoffLimit=0, **policy(on_codes("Ignore", 3))),
            by_attempt("Failed:3", "Succeeded"),
            2,
            ("Complete", "CompletionsReached"),
            {"succeeded": 1},
        ),
        (
            indexed(3, backoffLimitPerIndex=1),
            by_index({1: "Failed"}),
            4,
            ("Failed", "FailedIndexes"),
            {"completedIndexes": "0,2", "failedIndexes": "1", "failed": 2},
        ),
        (
            indexed(3, successPolicy={"rules": [{"succeededIndexes": "1"}]}),
            by_index({}),
            2,
            ("Complete", "SuccessPolicy"),
            {"completedIndexes": "0-1"},
        ),
    ],
)
def test_killed_at_any_write_the_policies_hold_and_nothing_runs_twice(
    body: Object, outcome: Any, pods: int, end: tuple[str, str], expected: dict[str, Any]
):
    async def begin(world: World) -> None:
        await world.objects.create(JOBS, body)

    async def check(world: World) -> None:
        await world.pass_s(600)
        assert len(world.node.started) == pods
        assert ended(world)[-1] == end
        assert {name: status(world).get(name) for name in expected} == expected

    assert die_everywhere(begin, check, team, outcome) >= 4 * pods
