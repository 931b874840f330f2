"""Tidegate takes over where KEDA has worked: nothing is made anew, no count changes, and what runs goes on.

And back: what is left when it ends is what KEDA keeps itself.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from parts.installed import Program
from parts.keda_cluster import KEDA, KedaCluster
from parts.keda_recording import Shown
from parts.real_cluster import GROUP
from parts.waiting import wait_until
from tidegate import __version__
from tidegate.kube.resource import (
    DEPLOYMENTS,
    HPAS,
    JOBS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
)

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

USER = "tidegate-operator"
VERSION_LABEL = "app.kubernetes.io/version"
# Several polls of every object that is not paused.
SETTLES_S = 8.0
PATIENCE_S = 30.0
# Counted and measured anew at each poll.
OF_THE_MOMENT = ("health", "triggersActivity")
CONDITIONS = ("Ready", "Active", "Fallback", "Paused")


@pytest.fixture(scope="module")
def taken(keda: KedaCluster) -> Taken:
    before, objects = keda.shown(), statuses(keda)
    operator = keda.operator(USER, KEDA)
    operator.start()

    def has_looked() -> bool:
        hpas = keda.listed(HPAS)
        return all(one["metadata"]["labels"][VERSION_LABEL] == __version__ for one in hpas.values())

    wait_until(has_looked, "every HPA is ours", PATIENCE_S)
    time.sleep(SETTLES_S)
    assert operator.is_running, operator.log()
    return Taken(keda, operator, before, objects)


class Taken:
    """A cluster before and after."""

    def __init__(
        self, keda: KedaCluster, operator: Program, before: Shown, objects: dict[tuple[str, str], Any]
    ) -> None:
        self.keda, self.operator, self.before, self.objects = keda, operator, before, objects


def statuses(keda: KedaCluster) -> dict[tuple[str, str], Any]:
    return {
        (resource.plural, name): one
        for resource in (SCALED_OBJECTS, SCALED_JOBS)
        for name, one in (keda.listed(resource)).items()
    }


def test_every_hpa_stays_the_same_one_with_the_same_spec(taken: Taken) -> None:
    assert (taken.keda.shown()).hpas == taken.before.hpas


def test_no_workload_was_touched(taken: Taken) -> None:
    assert (taken.keda.shown()).workloads == taken.before.workloads
    assert [one for one in taken.keda.deeds(USER) if one.resource.endswith("/scale")] == []


def test_nothing_was_deleted_and_nothing_refused(taken: Taken) -> None:
    deeds = taken.keda.deeds(USER)
    assert [one for one in deeds if one.verb.startswith("delete")] == []
    assert [one for one in deeds if one.code in (403, 422)] == []


def test_running_jobs_count_and_none_is_started_for_their_work(taken: Taken) -> None:
    assert (taken.keda.shown()).jobs == taken.before.jobs
    assert [one for one in taken.keda.deeds(USER) if one.resource == "jobs"] == []


def test_what_the_status_says_goes_on(taken: Taken) -> None:
    """What KEDA had not written yet (of a paused object) may be added."""
    after = statuses(taken.keda)
    for key, before in taken.objects.items():
        was, now = before["status"], after[key]["status"]
        assert conditions(now) == conditions(was), key
        for field in was.keys() - {"conditions", "lastActiveTime", *OF_THE_MOMENT}:
            assert (now.get(field) or None) == (was[field] or None), (key, field)
        assert now.get("lastActiveTime", "") >= was.get("lastActiveTime", ""), key


def conditions(status: Any) -> dict[str, str]:
    return {one["type"]: one["status"] for one in status["conditions"] if one["type"] in CONDITIONS}


def test_the_finalizers_are_kedas_and_no_other(taken: Taken) -> None:
    for key, one in (statuses(taken.keda)).items():
        assert one["metadata"]["finalizers"] == taken.objects[key]["metadata"]["finalizers"], key


def test_who_uses_an_authentication_stays_known(taken: Taken) -> None:
    found = (taken.keda.listed(TRIGGER_AUTHENTICATIONS))["redis"]["status"]
    assert "orders" in found["scaledobjects"].split(",")
    assert "crunch" in found["scaledjobs"].split(",")


def test_then_it_works_a_list_that_fills_wakes_its_workload(taken: Taken) -> None:
    keda = taken.keda
    keda.redis.call("RPUSH", "quiet", "one")
    try:

        def is_awake() -> bool:
            return bool((keda.listed(DEPLOYMENTS))["quiet"]["spec"]["replicas"])

        wait_until(is_awake, "quiet is at work", PATIENCE_S)
    finally:
        keda.redis.call("DEL", "quiet")


def test_then_more_work_starts_as_many_jobs_as_are_missing(taken: Taken) -> None:
    keda = taken.keda
    running = sum(not one["status"].get("completionTime") for one in (keda.listed(JOBS)).values())
    queued = keda.redis.call("RPUSH", "crunch", "four")
    time.sleep(SETTLES_S)
    jobs = (keda.listed(JOBS)).values()
    assert sum(not one["status"].get("completionTime") for one in jobs) == min(queued, 5) >= running


def test_what_is_left_is_kedas_but_for_annotations_of_ours(taken: Taken) -> None:
    """KEDA would find its objects as it knows them: the way back is to start it again."""
    taken.operator.stop()
    ours = {"tidegate.dev/original-replica-count-of", "tidegate.dev/round"}
    label = {"scaledobject.keda.sh/name"}
    for key, one in statuses(taken.keda).items():
        before, after = taken.objects[key]["metadata"], one["metadata"]
        assert (after["uid"], after["generation"]) == (before["uid"], before["generation"]), key
        assert one["spec"] == taken.objects[key]["spec"], key
        assert added(before, after, "annotations") <= ours, key
        assert added(before, after, "labels") <= label, key
    for one in taken.keda.listed(HPAS).values():
        annotations = one["metadata"].get("annotations") or {}
        assert {key for key in annotations if "tidegate" in key} <= {"tidegate.dev/copied"}
        assert one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "keda-operator"


def added(before: Any, after: Any, part: str) -> set[str]:
    was, now = before.get(part) or {}, after.get(part) or {}
    assert {key: now.get(key) for key in was} == was
    return set(now) - set(was)
