from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.base.errors import Failure
from tidegate.kube.resource import DEPLOYMENTS, EVENTS, HPAS, PODS, REPLICA_SETS, ApiError
from tidegate.local.controllers.hpa.hpas import Hpas
from tidegate.local.controllers.hpa.metric_samples import Samples, Usage, mean, requests_of
from tidegate.local.objects import Change, Object

KINDS = [DEPLOYMENTS, REPLICA_SETS, PODS, HPAS]


class Metrics:
    """What is measured, as the test sets it, and how often it was asked for."""

    def __init__(self) -> None:
        self.external: Sequence[float] | Failure | Exception = [0.0]
        self.usage: Sequence[Usage] | Failure = []
        self.asked: list[Any] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def read_external(
        self, namespace: str, name: str, labels: Mapping[str, str]
    ) -> Sequence[float] | Failure:
        self.asked.append((namespace, name, dict(labels)))
        if self.meanwhile is not None:
            await self.meanwhile()
        if isinstance(self.external, Exception):
            raise self.external
        return self.external

    async def read_usage(
        self, namespace: str, selector: str, resource: str, container: str
    ) -> Sequence[Usage] | Failure:
        self.asked.append((namespace, selector, resource, container))
        return self.usage


class Scene:
    def __init__(self, interval_s: float = 15.0) -> None:
        self.metrics = Metrics()
        self.interval_s = interval_s

    def team(self, objects, clock):
        samples = Samples(self.metrics.read_external, self.metrics.read_usage)
        return [Hpas(objects, clock, samples, lambda: KINDS, interval_s=self.interval_s)]


def external(**target: Any) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": "5", **target}
    labels = {"scaledobject.keda.sh/name": "worker"}
    metric = {"name": "s0-redis-jobs", "selector": {"matchLabels": labels}}
    return {"type": "External", "external": {"metric": metric, "target": target}}


def cpu(**target: Any) -> dict[str, Any]:
    target = target or {"type": "Utilization", "averageUtilization": 50}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def hpa(*metrics: dict[str, Any], kind: str = "Deployment", **spec: Any) -> Object:
    ref = {"apiVersion": "apps/v1", "kind": kind, "name": "web"}
    spec = {
        "scaleTargetRef": ref,
        "minReplicas": 1,
        "maxReplicas": 10,
        "metrics": list(metrics) or [external()],
        **spec,
    }
    return {"metadata": {"name": "keda-hpa-web", "namespace": "default"}, "spec": spec}


def deployment(replicas: int) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def begin(world: World, replicas: int, body: Object | None = None) -> None:
    await world.objects.create(DEPLOYMENTS, deployment(replicas))
    await world.objects.create(HPAS, body or hpa())
    await world.pass_s(1)


def replicas(world: World) -> int:
    found = world.objects.get(DEPLOYMENTS, "default", "web")
    assert found
    return int(found["spec"]["replicas"])


def status(world: World) -> dict[str, Any]:
    found = world.objects.get(HPAS, "default", "keda-hpa-web")
    assert found
    return found["status"]


def status_of(world: World) -> dict[str, Any]:
    """Empty while there is none."""
    found = world.objects.get(HPAS, "default", "keda-hpa-web")
    return (found or {}).get("status") or {}


def condition(world: World, type: str) -> tuple[str, str]:
    (one,) = [one for one in status(world)["conditions"] if one["type"] == type]
    return one["status"], one["reason"]


def test_the_target_follows_an_external_metric(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [20.0]
        await begin(world, 1)
        assert replicas(world) == 4
        assert scene.metrics.asked == [("default", "s0-redis-jobs", {"scaledobject.keda.sh/name": "worker"})]
        found = status(world)
        assert (found["currentReplicas"], found["desiredReplicas"]) == (1, 4)
        assert found["lastScaleTime"] == "2026-01-05T08:00:00Z"
        (metric,) = found["currentMetrics"]
        assert metric["external"]["current"] == {"averageValue": "20"}
        assert condition(world, "AbleToScale") == ("True", "SucceededRescale")
        assert condition(world, "ScalingActive") == ("True", "ValidMetricFound")
        assert condition(world, "ScalingLimited") == ("False", "DesiredWithinRange")
        (message,) = world.objects.events("SuccessfulRescale")
        assert message.startswith("New size: 4; reason: external metric s0-redis-jobs")
        await world.pass_s(15)
        assert (status(world)["currentReplicas"], status(world)["desiredReplicas"]) == (4, 4)
        assert status(world)["currentMetrics"][0]["external"]["current"] == {"averageValue": "5"}

    live(scenario, scene.team)


def test_the_smallest_target_is_a_thousandth(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [0.004]
        await begin(world, 1, hpa(external(averageValue="1n")))
        assert replicas(world) == 4

    live(scenario, scene.team)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"type": "Value", "averageValue": "5", "averageUtilization": 1}, 4),
        ({"type": "Utilization", "value": "10", "averageUtilization": 1}, 2),
    ],
)
def test_the_fields_of_a_target_decide_and_not_its_type(live, target: Any, expected: int):
    """An external metric knows no utilization, whatever is stored beside its value."""
    scene = Scene()

    async def scenario(world: World) -> None:
        await create_pod(world, pod("a"))
        scene.metrics.external = [20.0]
        metric = external()
        metric["external"]["target"] = target
        await begin(world, 1, hpa(metric))
        assert replicas(world) == expected

    live(scenario, scene.team)


def test_several_series_add_up(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [4.0, 6.0, 5.0]
        await begin(world, 1)
        assert replicas(world) == 3

    live(scenario, scene.team)


def test_a_target_at_zero_is_left_alone_and_nobody_is_asked_until_it_leaves_zero(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [50.0]
        await begin(world, 0)
        await world.pass_s(100)
        assert replicas(world) == 0
        assert scene.metrics.asked == []
        assert condition(world, "ScalingActive") == ("False", "ScalingDisabled")
        await world.objects.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 1}})
        await world.pass_s(0.1)
        assert replicas(world) == 5
        assert condition(world, "ScalingActive") == ("True", "ValidMetricFound")

    live(scenario, scene.team)


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_target_that_reaches_zero_is_told_as_disabled_at_once(live, is_broken: bool):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [20.0]
        await begin(world, 4)
        if is_broken:
            scene.metrics.external = Failure("Unreachable", "connection refused")
            await world.pass_s(30)
            assert condition(world, "ScalingActive") == ("False", "FailedGetExternalMetric")
        assert status(world)["desiredReplicas"] == 4
        asked = len(scene.metrics.asked)
        await world.objects.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 0}})
        await world.pass_s(0.1)
        assert condition(world, "ScalingActive") == ("False", "ScalingDisabled")
        assert condition(world, "AbleToScale") == ("True", "SucceededGetScale")
        assert (status(world).get("currentReplicas", 0), status(world)["desiredReplicas"]) == (0, 0)
        assert "currentMetrics" not in status(world)
        assert len(scene.metrics.asked) == asked

    live(scenario, scene.team)


def test_an_hpa_follows_the_target_that_it_names_now(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [20.0]
        other = deployment(0)
        other["metadata"]["name"] = "other"
        await world.objects.create(DEPLOYMENTS, other)
        await begin(world, 1)
        ref = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}}
        await world.objects.patch(HPAS, "default", "keda-hpa-web", {"spec": ref})
        await world.pass_s(0.1)
        assert condition(world, "ScalingActive") == ("False", "ScalingDisabled")
        await world.objects.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 0}})
        await world.objects.patch(DEPLOYMENTS, "default", "other", {"spec": {"replicas": 1}})
        await world.pass_s(0.1)
        found = world.objects.get(DEPLOYMENTS, "default", "other")
        assert found
        assert found["spec"]["replicas"] > 1

    live(scenario, scene.team)


@pytest.mark.parametrize("silent_s", [0.2, 3.0, 10.0])
def test_a_new_hpa_says_nothing_false_before_its_metric_is_measured(live, silent_s: float):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = Failure("Unreachable", "ScaledObject default/worker is not measured yet")
        await begin(world, 1)
        await world.pass_s(silent_s - 1 if silent_s > 1 else 0)
        assert status_of(world) in ({}, {"desiredReplicas": 0}), "as the API server has stored it"
        scene.metrics.external = [20.0]
        await world.pass_s(silent_s + 1)
        assert replicas(world) == 4
        assert world.objects.events("FailedGetExternalMetric") == []

    live(scenario, scene.team)


def test_a_new_hpa_whose_metric_nobody_answers_for_says_so_within_an_interval(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = Failure("Unreachable", "connection refused")
        await begin(world, 1, hpa(minReplicas=2))
        assert replicas(world) == 2, "its bounds need no metric"
        await world.pass_s(15)
        assert condition(world, "ScalingActive") == ("False", "FailedGetExternalMetric")
        assert len(world.objects.events("FailedGetExternalMetric")) == 1

    live(scenario, scene.team)


def test_an_edited_spec_takes_effect_at_once(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [100.0]
        await begin(world, 1, hpa(maxReplicas=2))
        assert replicas(world) == 2
        assert condition(world, "ScalingLimited") == ("True", "TooManyReplicas")
        await world.objects.patch(HPAS, "default", "keda-hpa-web", {"spec": {"maxReplicas": 3}})
        await world.pass_s(0.1)
        assert replicas(world) == 3

    live(scenario, scene.team)


@pytest.mark.parametrize("broken", [Failure("Unreachable", "no route"), []])
def test_a_metric_that_cannot_be_read_changes_nothing_and_is_told_once(live, broken: Any):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = broken
        await begin(world, 4)
        await world.pass_s(1000)
        assert replicas(world) == 4
        assert condition(world, "ScalingActive") == ("False", "FailedGetExternalMetric")
        (message,) = world.objects.events("FailedGetExternalMetric")
        assert "no route" in message or "no metrics returned" in message
        assert len(world.objects.events("FailedComputeMetricsReplicas")) == 1
        (metric,) = status(world)["currentMetrics"]
        assert metric["external"]["current"] == {}
        scene.metrics.external = [40.0]
        await world.pass_s(15)
        assert replicas(world) == 8
        assert condition(world, "ScalingActive") == ("True", "ValidMetricFound")

    live(scenario, scene.team)


def test_a_reader_that_breaks_is_a_failure_and_no_zero(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = RuntimeError("out of order")
        await begin(world, 4)
        await world.pass_s(1000)
        assert replicas(world) == 4
        (message,) = world.objects.events("FailedGetExternalMetric")
        assert "out of order" in message

    live(scenario, scene.team)


def test_nothing_is_lowered_before_the_window_has_passed_not_even_after_a_restart(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [40.0]
        await begin(world, 8)
        scene.metrics.external = [5.0]
        await world.pass_s(200)
        await world.kill()
        world.start()
        await world.pass_s(290)
        assert replicas(world) == 8
        await world.pass_s(30)
        assert replicas(world) == 1

    live(scenario, scene.team)


def test_a_missing_target_is_told_and_found_when_it_comes(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [20.0]
        await world.objects.create(HPAS, hpa())
        await world.pass_s(60)
        assert condition(world, "AbleToScale") == ("False", "FailedGetScale")
        (message,) = world.objects.events("FailedGetScale")
        assert message.endswith('deployments.apps "web" not found')
        await world.objects.create(DEPLOYMENTS, deployment(1))
        await world.pass_s(15)
        assert replicas(world) == 4

    live(scenario, scene.team)


@pytest.mark.parametrize("kind", ["Pod", "Nonsense"])
def test_a_target_without_a_scale_is_told(live, kind: str):
    scene = Scene()

    async def scenario(world: World) -> None:
        await world.objects.create(HPAS, hpa(kind=kind))
        await world.pass_s(60)
        assert condition(world, "AbleToScale") == ("False", "FailedGetScale")
        assert len(world.objects.events("FailedGetScale")) == 1

    live(scenario, scene.team)


def test_a_refused_scale_is_told_and_tried_again(live):
    scene = Scene()

    class Refusing:
        """Objects on which the scale cannot be written."""

        def __init__(self, objects) -> None:
            self.objects = objects

        def __getattr__(self, name: str) -> Any:
            return getattr(self.objects, name)

        async def patch(self, resource, namespace, name, patch, subresource=""):
            if subresource == "scale" and patch:
                raise ApiError(500, "InternalError", "disk full")
            return await self.objects.patch(resource, namespace, name, patch, subresource)

    async def scenario(world: World) -> None:
        await world.kill()
        world.start(Refusing(world.objects))
        scene.metrics.external = [20.0]
        await begin(world, 1)
        assert replicas(world) == 1
        assert condition(world, "AbleToScale") == ("False", "FailedUpdateScale")
        assert status(world)["desiredReplicas"] == 1
        assert world.objects.events("SuccessfulRescale") == []
        (message,) = world.objects.events("FailedRescale")
        assert message.endswith("error: disk full")
        await world.kill()
        world.start()
        await world.pass_s(1)
        assert replicas(world) == 4

    live(scenario, scene.team)


def test_a_target_that_was_taken_to_zero_meanwhile_is_not_woken(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        async def deactivate() -> None:
            await world.objects.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 0}})

        scene.metrics.external = [50.0]
        scene.metrics.meanwhile = deactivate
        await begin(world, 1)
        await world.pass_s(100)
        assert replicas(world) == 0
        assert condition(world, "ScalingActive") == ("False", "ScalingDisabled")
        assert world.objects.events("SuccessfulRescale") == []

    live(scenario, scene.team)


def test_a_restart_does_not_forget_what_was_lowered_just_now(live):
    scene = Scene()
    slowly = {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    }

    async def scenario(world: World) -> None:
        scene.metrics.external = [5.0]
        await begin(world, 8, hpa(behavior={"scaleDown": {"selectPolicy": "Max", **slowly}}))
        assert replicas(world) == 7
        await world.kill()
        world.start()
        await world.pass_s(50)
        assert replicas(world) == 7
        await world.pass_s(30)
        assert replicas(world) == 6

    live(scenario, scene.team)


def test_nothing_new_writes_nothing(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        scene.metrics.external = [20.0]
        await begin(world, 4)
        await world.pass_s(30)
        changes: list[Change] = []
        world.objects.subscribe([HPAS, DEPLOYMENTS, EVENTS], changes.append)
        await world.pass_s(600)
        assert len(scene.metrics.asked) >= 40
        assert changes == []

    live(scenario, scene.team)


def test_killed_at_any_write_the_target_gets_its_size():
    scene = Scene()
    scene.metrics.external = [20.0]

    async def start(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(1))
        await world.objects.create(HPAS, hpa())

    async def check(world: World) -> None:
        await world.pass_s(60)
        assert replicas(world) == 4
        assert status(world)["currentReplicas"] == 4

    assert die_everywhere(start, check, scene.team) >= 4


def pod(name: str, request: str | None = "100m", is_ready: bool = True) -> Object:
    resources = {"requests": {"cpu": request}} if request else {}
    ready = [{"type": "Ready", "status": str(is_ready), "lastTransitionTime": "2026-01-05T08:00:00Z"}]
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]},
        "status": {"phase": "Running", "conditions": ready},
    }


async def create_pod(world: World, body: Object) -> None:
    """With the status that its node would give it."""
    await world.objects.create(PODS, body)
    patch = {"status": body["status"]}
    await world.objects.patch(PODS, "default", body["metadata"]["name"], patch, "status")


def test_the_target_follows_the_use_of_cpu(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        for name in ("a", "b"):
            await create_pod(world, pod(name))
        scene.metrics.usage = [Usage("a", 0.08), Usage("b", 0.12)]
        await begin(world, 2, hpa(cpu()))
        assert scene.metrics.asked == [("default", "app=web", "cpu", "")]
        assert replicas(world) == 4
        (metric,) = status(world)["currentMetrics"]
        assert metric["resource"]["current"] == {"averageUtilization": 100, "averageValue": "100m"}

    live(scenario, scene.team)


def test_a_cpu_target_with_a_utilization_is_one_whatever_its_type_says(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        for name in ("a", "b"):
            await create_pod(world, pod(name))
        scene.metrics.usage = [Usage("a", 0.08), Usage("b", 0.12)]
        await begin(world, 2, hpa(cpu(type="AverageValue", averageUtilization=50)))
        assert replicas(world) == 4

    live(scenario, scene.team)


def test_a_pod_without_a_request_makes_utilization_unknown(live):
    scene = Scene()

    async def scenario(world: World) -> None:
        await create_pod(world, pod("a", request=None))
        scene.metrics.usage = [Usage("a", 0.5)]
        await begin(world, 1, hpa(cpu()))
        assert replicas(world) == 1
        (message,) = world.objects.events("FailedGetResourceMetric")
        assert "missing request for cpu in container c of Pod a" in message

    live(scenario, scene.team)


@pytest.mark.parametrize(
    ("used", "waiting", "expected"),
    [
        ({"a": 0.05, "b": 0.05}, [], (50.0, 2)),
        ({"a": 0.20, "b": None}, [], (100.0, 2)),
        ({"a": 0.08, "b": None}, [], (50.0, 2)),
        ({"a": 0.01, "b": None}, [], (30.0, 2)),
        ({"a": 0.20}, ["c"], (100.0, 2)),
        ({"a": 0.01}, ["c"], (10.0, 1)),
    ],
)
def test_unknown_pods_are_taken_for_what_changes_least(used: Any, waiting: list[str], expected: Any):
    pods = [pod(name) for name in used] + [pod(name, is_ready=False) for name in waiting]
    usages = [Usage(name, value) for name, value in used.items() if value is not None]
    requests = requests_of(pods, "cpu", "")
    assert not isinstance(requests, Failure)
    found = mean(usages, pods, 50.0, requests)
    assert not isinstance(found, Failure)
    assert (pytest.approx(found[0]), found[1]) == expected


def test_no_reading_of_any_ready_pod_is_a_failure():
    assert isinstance(mean([Usage("x", 1.0)], [pod("a")], 1.0, None), Failure)
    assert isinstance(mean([Usage("a", 1.0)], [pod("a", is_ready=False)], 1.0, None), Failure)


def test_a_metric_that_is_not_offered_is_a_failure(live):
    scene = Scene()
    metric = {"metric": {"name": "x"}, "target": {"type": "AverageValue", "averageValue": "1"}}

    async def scenario(world: World) -> None:
        await begin(world, 3, hpa({"type": "Pods", "pods": metric}))
        assert replicas(world) == 3
        assert condition(world, "ScalingActive")[0] == "False"

    live(scenario, scene.team)


def test_looks_are_an_interval_apart(live):
    scene = Scene(interval_s=20.0)

    async def scenario(world: World) -> None:
        scene.metrics.external = [20.0]
        await begin(world, 4)
        seen = []
        for _ in range(100):
            await world.pass_s(1)
            seen.append(len(scene.metrics.asked))
        looks = [index for index, (a, b) in enumerate(itertools.pairwise(seen)) if b > a]
        assert [b - a for a, b in itertools.pairwise(looks)] == [20] * (len(looks) - 1)
        assert len(looks) >= 4

    live(scenario, scene.team)
