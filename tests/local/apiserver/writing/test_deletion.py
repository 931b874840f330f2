from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS, JOBS, NAMESPACES, PODS, SERVICE_ACCOUNTS
from tidegate.local.apiserver.storage.database import read_journal
from tidegate.local.apiserver.writing.verbs import Deletion


async def delete(api: Any, resource: Any, name: str, namespace: str = "default", **deletion: Any) -> Any:
    target = api.target(resource, name, namespace=namespace)
    return await api.plane.verbs.delete(target, Deletion(**deletion))


async def running_pod(api: Any, **spec: Any) -> Any:
    body = api.pod(nodeName="local", **spec)
    return await api.create(PODS, {**body, "status": {"phase": "Running"}})


async def test_what_nothing_holds_goes_at_once_with_a_version_of_its_own(api: Any) -> None:
    made = await api.create(CONFIG_MAPS, api.config_map())
    seen: list[Any] = []
    api.plane.reads.listen(api.kind(CONFIG_MAPS), seen.extend)
    written = await delete(api, CONFIG_MAPS, "settings")
    assert written.is_removed
    assert msgspec.json.decode(written.body)["metadata"]["uid"] == made["metadata"]["uid"]
    assert not api.exists(CONFIG_MAPS, "settings")
    assert [entry.type for entry in seen] == ["DELETED"]
    assert seen[0].version > int(made["metadata"]["resourceVersion"])
    error = await api.refusal(delete(api, CONFIG_MAPS, "settings"))
    assert error.code == 404


async def test_finalizers_hold_an_object_until_the_last_is_taken_away(api: Any) -> None:
    body = api.deployment()
    body["metadata"]["finalizers"] = ["example.org/a", "example.org/b"]
    await api.create(DEPLOYMENTS, body)
    written = await delete(api, DEPLOYMENTS, "web")
    assert not written.is_removed
    held = api.get(DEPLOYMENTS, "web")["metadata"]
    assert held["deletionTimestamp"] == "2026-01-31T08:00:00Z"
    assert held["deletionGracePeriodSeconds"] == 0
    assert held["generation"] == 2
    patch, target = api.plane.verbs.patch, api.target(DEPLOYMENTS, "web")
    assert not (await patch(target, "merge", {"metadata": {"finalizers": ["example.org/b"]}})).is_removed
    version = api.plane.reads.version
    assert not (await delete(api, DEPLOYMENTS, "web")).is_removed
    assert api.plane.reads.version == version
    error = await api.refusal(patch(target, "merge", {"metadata": {"finalizers": ["example.org/c"]}}))
    assert "no new finalizers can be added" in error.message
    assert (await patch(target, "merge", {"metadata": {"finalizers": None}})).is_removed
    assert not api.exists(DEPLOYMENTS, "web")


@pytest.mark.parametrize(
    ("propagation", "finalizers"),
    [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"]), ("Background", None)],
)
async def test_the_propagation_is_left_to_the_collector_as_a_finalizer(
    api: Any, propagation: str, finalizers: list[str] | None
) -> None:
    await api.create(JOBS, api.job())
    written = await delete(api, JOBS, "once", propagation=propagation)
    assert written.is_removed is (finalizers is None)
    if finalizers:
        assert api.get(JOBS, "once")["metadata"]["finalizers"] == finalizers


async def test_the_last_choice_of_propagation_wins(api: Any) -> None:
    await api.create(JOBS, api.job())
    await delete(api, JOBS, "once", propagation="Orphan")
    await delete(api, JOBS, "once", propagation="Foreground")
    await delete(api, JOBS, "once", propagation="Background")
    assert api.get(JOBS, "once")["metadata"]["finalizers"] == ["foregroundDeletion"]


async def test_a_running_pod_gets_its_grace_and_goes_when_the_node_says_so(api: Any) -> None:
    await running_pod(api, terminationGracePeriodSeconds=20)
    written = await delete(api, PODS, "worker")
    assert not written.is_removed
    meta = api.get(PODS, "worker")["metadata"]
    assert meta["deletionTimestamp"] == "2026-01-31T08:00:20Z"
    assert meta["deletionGracePeriodSeconds"] == 20
    status = {"status": {"phase": "Succeeded"}}
    await api.plane.verbs.patch(api.target(PODS, "worker", "status"), "merge", status)
    assert api.exists(PODS, "worker")
    assert (await delete(api, PODS, "worker", grace_s=0)).is_removed


async def test_a_grace_beyond_the_calendar_lasts_a_century(api: Any) -> None:
    await running_pod(api, terminationGracePeriodSeconds=2**63 - 1)
    await delete(api, PODS, "worker")
    assert api.get(PODS, "worker")["metadata"]["deletionTimestamp"] > "2100"


async def test_a_second_delete_may_shorten_the_grace_but_not_lengthen_it(api: Any) -> None:
    await running_pod(api)
    await delete(api, PODS, "worker")
    assert api.get(PODS, "worker")["metadata"]["deletionGracePeriodSeconds"] == 30
    await delete(api, PODS, "worker", grace_s=5)
    assert api.get(PODS, "worker")["metadata"]["deletionGracePeriodSeconds"] == 5
    await delete(api, PODS, "worker", grace_s=60)
    assert api.get(PODS, "worker")["metadata"]["deletionGracePeriodSeconds"] == 5


async def test_pods_that_run_nothing_go_at_once(api: Any) -> None:
    await api.create(PODS, api.pod("unscheduled"))
    assert (await delete(api, PODS, "unscheduled")).is_removed
    await api.create(PODS, api.pod("finished", nodeName="local"))
    await api.plane.objects.patch(PODS, "default", "finished", {"status": {"phase": "Failed"}}, "status")
    assert (await delete(api, PODS, "finished", grace_s=10)).is_removed


async def test_a_pod_with_finalizers_outlives_its_grace(api: Any) -> None:
    body = api.pod(nodeName="local")
    body["metadata"]["finalizers"] = ["example.org/a"]
    await api.create(PODS, body)
    await delete(api, PODS, "worker")
    target = api.target(PODS, "worker")
    await api.plane.verbs.patch(target, "merge", {"metadata": {"finalizers": None}})
    assert api.exists(PODS, "worker"), "its processes may still run"
    await delete(api, PODS, "worker", grace_s=0)
    assert not api.exists(PODS, "worker")


async def test_preconditions_protect_another_object_of_the_same_name(api: Any) -> None:
    made = await api.create(CONFIG_MAPS, api.config_map())
    for wrong in ({"uid": "other"}, {"resource_version": "1"}):
        error = await api.refusal(delete(api, CONFIG_MAPS, "settings", **wrong))
        assert (error.code, error.reason) == (409, "Conflict")
    meta = made["metadata"]
    right = {"uid": meta["uid"], "resource_version": meta["resourceVersion"]}
    assert (await delete(api, CONFIG_MAPS, "settings", **right)).is_removed


async def test_a_collection_goes_in_one_group(api: Any) -> None:
    for number in range(5):
        await api.create(CONFIG_MAPS, api.config_map(f"c{number}"))
    kind = api.kind(CONFIG_MAPS)
    rows = [api.plane.reads.get(kind, "default", f"c{number}") for number in range(5)]
    await delete(api, CONFIG_MAPS, "c3")
    written = await api.plane.verbs.delete_rows(kind, rows)
    assert [answer.is_removed for answer in written] == [True] * 4
    assert not any(api.exists(CONFIG_MAPS, f"c{number}") for number in range(5))


async def test_a_new_namespace_is_furnished_and_only_then_takes_content(api: Any) -> None:
    error = await api.refusal(api.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "team"}}))
    assert (error.code, error.message) == (404, 'namespaces "team" not found')
    made = await api.create(NAMESPACES, {"metadata": {"name": "team"}})
    assert made["spec"] == {"finalizers": ["kubernetes"]}
    assert made["status"] == {"phase": "Active"}
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    assert api.exists(SERVICE_ACCOUNTS, "default", "team")
    await api.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "team"}})


async def test_a_namespace_ends_in_steps_and_takes_nothing_new(api: Any) -> None:
    await api.create(NAMESPACES, {"metadata": {"name": "team"}})
    assert not (await delete(api, NAMESPACES, "team")).is_removed
    ending = api.get(NAMESPACES, "team")
    assert ending["status"]["phase"] == "Terminating"
    error = await api.refusal(api.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "team"}}))
    assert (error.code, error.reason) == (403, "Forbidden")
    assert error.details["causes"][0]["reason"] == "NamespaceTerminating"
    finalize = {"metadata": {"name": "team"}, "spec": {"finalizers": []}}
    target = api.target(NAMESPACES, "team")
    await api.plane.verbs.update(target, api.copied(finalize))
    assert api.exists(NAMESPACES, "team"), "only the finalize endpoint ends a namespace"
    written = await api.plane.verbs.update(target._replace(subresource="finalize"), finalize)
    assert written.is_removed


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_the_namespaces_of_the_system_stay(api: Any, name: str) -> None:
    error = await api.refusal(delete(api, NAMESPACES, name))
    assert (error.code, error.reason) == (403, "Forbidden")


async def test_the_journal_names_creations_and_deletions_with_our_annotations_only(
    api: Any, tmp_path: Any
) -> None:
    body = api.config_map("noted")
    body["metadata"]["annotations"] = {"tidegate.dev/round": "7", "example.org/x": "y"}
    made = await api.create(CONFIG_MAPS, body)
    await api.plane.verbs.patch(api.target(CONFIG_MAPS, "noted"), "merge", {"data": {"a": "b"}})
    await delete(api, CONFIG_MAPS, "noted")
    lines = [line for line in read_journal(tmp_path / "state" / "state.db") if line.name == "noted"]
    uid = made["metadata"]["uid"]
    assert [(line.verb, line.resource, line.namespace, line.uid) for line in lines] == [
        ("create", "configmaps", "default", uid),
        ("delete", "configmaps", "default", uid),
    ]
    assert lines[0].annotations == '{"tidegate.dev/round":"7"}'
    assert lines[0].rv == int(made["metadata"]["resourceVersion"])
