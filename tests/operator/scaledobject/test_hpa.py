"""The HPA of a ScaledObject follows its manifest, and goes back to it when somebody else edits it."""

from __future__ import annotations

from typing import Any

import pytest

from parts.cluster import Cluster, operated, redis
from parts.memory_client import Write
from tidegate.kube.resource import HPAS, SCALED_OBJECTS, ApiError
from tidegate.operator.scaledobject import hpa_drift
from tidegate.operator.scaledobject.hpa_metadata import COPIED, marked
from tidegate.review.hpa import NAME_LABEL, STANDARD_LABELS

Object = dict[str, Any]


def hpa(cluster: Cluster, name: str = "keda-hpa-web") -> Object:
    found = cluster.hpa(name)
    assert found is not None
    return found


def metric_names(cluster: Cluster, name: str = "keda-hpa-web") -> list[str]:
    return [one["external"]["metric"]["name"] for one in hpa(cluster, name)["spec"]["metrics"]]


def hpa_writes(cluster: Cluster) -> list[Write]:
    return [one for one in cluster.client.writes if one.resource == HPAS]


def named(name: str) -> Object:
    return {"spec": {"advanced": {"horizontalPodAutoscalerConfig": {"name": name}}}}


@operated(jobs=5)
async def test_with_another_name_there_is_a_new_hpa_and_the_old_one_is_gone(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment(replicas=3)
    await cluster.scaled_object()
    await clock.sleep(2)
    before = hpa(cluster)
    await cluster.patch(SCALED_OBJECTS, "web", named("chosen"))
    await clock.sleep(2)
    assert cluster.hpa() is None
    assert hpa(cluster, "chosen")["spec"] == before["spec"]
    status = (cluster.objects.get(SCALED_OBJECTS, "shop", "web") or {})["status"]
    assert status["hpaName"] == "chosen"
    assert cluster.replicas() == 3
    await cluster.patch(SCALED_OBJECTS, "web", named("other"))
    await clock.sleep(2)
    assert [one["metadata"]["name"] for one in cluster.objects.list(HPAS)] == ["other"]


@operated(jobs=0, mails=7)
async def test_a_trigger_that_is_added_counts_and_one_that_is_taken_out_counts_no_more(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", redis("jobs"), pollingInterval=5, cooldownPeriod=10)
    await clock.sleep(12)
    assert metric_names(cluster) == ["s0-redis-jobs"]
    assert cluster.replicas() == 0
    both = {"spec": {"triggers": [redis("jobs"), redis("mails")]}}
    await cluster.patch(SCALED_OBJECTS, "web", both)
    await clock.sleep(2)
    assert metric_names(cluster) == ["s0-redis-jobs", "s1-redis-mails"]
    assert cluster.replicas() == 1
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [redis("jobs")]}})
    await clock.sleep(2)
    assert metric_names(cluster) == ["s0-redis-jobs"]
    await clock.sleep(15)
    assert cluster.replicas() == 0, "nobody asks for the mails any more"


@pytest.mark.parametrize("part", ["labels", "annotations"])
@operated(jobs=5)
async def test_what_somebody_else_wrote_over_a_label_or_annotation_is_put_right(
    clock: Any, cluster: Cluster, part: str
) -> None:
    await cluster.deployment()
    own = {"labels": {"team": "data"}, "annotations": {"note": "n"}}
    await cluster.scaled_object(metadata=own)
    await clock.sleep(2)
    ours = hpa(cluster)["metadata"][part]
    key = {"labels": "team", "annotations": "note"}[part]
    assert ours[key] == own[part][key]
    change = {key: "wrong", "theirs": "stays"}
    await cluster.patch(HPAS, "keda-hpa-web", {"metadata": {part: change}})
    await clock.sleep(2)
    assert hpa(cluster)["metadata"][part] == {**ours, "theirs": "stays"}
    await cluster.patch(HPAS, "keda-hpa-web", {"metadata": {part: {key: None}}})
    await clock.sleep(2)
    assert hpa(cluster)["metadata"][part][key] == own[part][key]


PAUSED_IN = "autoscaling.keda.sh/paused-scale-in"
EXCLUDED = "scaledobject.keda.sh/hpa-excluded-labels"


def keys(cluster: Cluster, part: str) -> set[str]:
    """The labels or annotations of the HPA but for those that every HPA has."""
    return set(hpa(cluster)["metadata"].get(part) or {}) - {COPIED, NAME_LABEL, *STANDARD_LABELS}


@operated(jobs=5)
async def test_what_leaves_the_object_leaves_its_hpa_and_what_others_wrote_stays(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    own = {"labels": {"team": "data", "argo": "app"}, "annotations": {PAUSED_IN: "true", "note": "n"}}
    await cluster.scaled_object(metadata=own)
    await clock.sleep(2)
    assert keys(cluster, "labels") == {"team", "argo"}
    assert keys(cluster, "annotations") == {PAUSED_IN, "note"}
    theirs: Object = {"labels": {"theirs": "l"}, "annotations": {"theirs": "a"}}
    await cluster.patch(HPAS, "keda-hpa-web", {"metadata": theirs})
    await clock.sleep(2)
    change = {"labels": {"team": None}, "annotations": {PAUSED_IN: None, EXCLUDED: "argo"}}
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": change})
    await clock.sleep(2)
    assert keys(cluster, "labels") == {"theirs"}
    assert keys(cluster, "annotations") == {"theirs", "note", EXCLUDED}
    change = {"labels": {"argo": None}, "annotations": {"note": None, EXCLUDED: None}}
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": change})
    await clock.sleep(2)
    assert hpa(cluster)["metadata"]["annotations"] == {"theirs": "a"}
    await cluster.patch(HPAS, "keda-hpa-web", {"metadata": {"annotations": {COPIED: "lost"}}})
    await clock.sleep(2)
    assert hpa(cluster)["metadata"]["annotations"] == {"theirs": "a"}
    writes = len(hpa_writes(cluster))
    await clock.sleep(120)
    assert len(hpa_writes(cluster)) == writes


def test_of_an_hpa_that_lists_nothing_goes_what_can_only_be_its_objects() -> None:
    wanted = marked({"metadata": {"annotations": {EXCLUDED: "argo"}, "labels": {"team": "data"}}, "spec": {}})
    metadata: Object = {
        "resourceVersion": "7",
        "annotations": {PAUSED_IN: "true", "theirs.io/note": "a", "nokeda.sh/x": "y"},
        "labels": {"argo": "app", "theirs": "l"},
    }
    found: Object = {"metadata": metadata, "spec": {}}
    assert hpa_drift.differs(found, wanted)
    after = hpa_drift.rewritten(found, wanted)["metadata"]
    assert after["labels"] == {"team": "data", "theirs": "l"}
    assert after["annotations"].keys() == {"theirs.io/note", "nokeda.sh/x", EXCLUDED, COPIED}
    again = {"metadata": {**after, "labels": {**after["labels"], "argo": "theirs"}}, "spec": {}}
    assert not hpa_drift.differs(again, wanted), "whoever writes it now is not fought"


@operated(jobs=5)
async def test_an_hpa_that_lost_its_owner_is_its_objects_again(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object(maxReplicaCount=7)
    await clock.sleep(2)
    before = hpa(cluster)
    edit: Object = {"metadata": {"ownerReferences": None}, "spec": {"maxReplicas": 3}}
    await cluster.patch(HPAS, "keda-hpa-web", edit)
    await clock.sleep(2)
    assert hpa(cluster)["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]
    assert hpa(cluster)["spec"]["maxReplicas"] == 7


@pytest.mark.parametrize("list_name", ["jobs", "mails"])
@operated(jobs=5, mails=5)
async def test_an_object_that_was_made_again_with_other_triggers_has_an_hpa_with_theirs(
    clock: Any, cluster: Cluster, list_name: str
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", redis("jobs"))
    await clock.sleep(2)
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
    # Nobody collects the old HPA here: the new object finds it under its name.
    await clock.sleep(2)
    again = await cluster.scaled_object("web", redis(list_name))
    await clock.sleep(2)
    assert metric_names(cluster) == [f"s0-redis-{list_name}"]
    (owner,) = hpa(cluster)["metadata"]["ownerReferences"]
    assert owner["uid"] == again["metadata"]["uid"]


@pytest.mark.parametrize("behavior", [{}, {"scaleDown": {"stabilizationWindowSeconds": 0}, "scaleUp": {}}])
@operated(jobs=5)
async def test_a_disabled_hpa_works_again_when_the_annotation_goes(
    clock: Any, cluster: Cluster, behavior: Object
) -> None:
    await cluster.deployment()
    await cluster.scaled_object(advanced={"horizontalPodAutoscalerConfig": {"behavior": behavior}})
    await clock.sleep(2)
    before = hpa(cluster)["spec"]
    pauses = {
        "autoscaling.keda.sh/paused-scale-in": "true",
        "autoscaling.keda.sh/paused-scale-out": "true",
    }
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": pauses}})
    await clock.sleep(2)
    rules = hpa(cluster)["spec"]["behavior"]
    assert [rules[way]["selectPolicy"] for way in ("scaleDown", "scaleUp")] == ["Disabled"] * 2
    gone = dict.fromkeys(pauses)
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": gone}})
    await clock.sleep(2)
    assert hpa(cluster)["spec"] == before


@operated(jobs=23)
async def test_where_the_server_refuses_the_hpa_only_one_from_before_is_said_to_decide(
    clock: Any, cluster: Cluster
) -> None:

    async def refuse(write: Write) -> None:
        if write.resource == HPAS:
            raise ApiError(422, "Invalid", "spec.maxReplicas: Invalid value")

    async def told(name: str) -> str:
        found = await cluster.operator.explain(SCALED_OBJECTS, "shop", name)
        return str(found["reasons"][-1]["text"])

    await cluster.deployment("web", 2)
    await cluster.scaled_object("web")
    await clock.sleep(2)
    cluster.client.before = refuse
    await cluster.deployment("new", 2)
    await cluster.scaled_object("new")
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"maxReplicaCount": 7}})
    await clock.sleep(2)
    assert await told("new") == "2 replicas kept: it is active, and there is no HPA to decide from 1 on"
    assert await told("web") == "2 replicas: the HPA decides between its bounds"
