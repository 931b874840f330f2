"""Scale and status have endpoints of their own, which change nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from parts.conversation import JSON_PATCH, MERGE, STRATEGIC, TABLE, Talk

APPS = "apps/v1"


@pytest.fixture
async def path(talk: Talk) -> str:
    """A Deployment's."""
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    await talk.made(talk.path("deployments", group=APPS), {"metadata": {"name": "d"}, "spec": spec})
    return talk.path("deployments", "d", group=APPS)


async def test_a_scale_is_read_and_written_through_its_own_path(talk: Talk, path: str) -> None:
    scale = (await talk.get(f"{path}/scale")).body
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({}, {"replicas": 0, "selector": "app=a"})
    kept = {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}
    assert set(scale["metadata"]) == kept
    scale["spec"]["replicas"] = 2
    del scale["metadata"]["resourceVersion"]
    assert (await talk.put(f"{path}/scale", scale)).body["spec"] == {"replicas": 2}
    for content_type, patch in (
        (MERGE, {"spec": {"replicas": 1}}),
        (STRATEGIC, {"spec": {"replicas": 2}}),
        (JSON_PATCH, [{"op": "replace", "path": "/spec/replicas", "value": 3}]),
    ):
        assert (await talk.patch(f"{path}/scale", patch, content_type)).status == 200
    assert (await talk.get(path)).body["spec"]["replicas"] == 3
    assert (await talk.patch(f"{path}/scale", {"spec": {"replicas": 0}})).body["spec"] == {}


@pytest.mark.parametrize(
    ("patch", "status", "kind", "field"),
    [
        ({"spec": {"replicas": -1}}, 422, "Scale", "spec.replicas"),
        ({"spec": {"replicas": "many"}}, 422, None, "patch"),
        ({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}, 409, "deployments", None),
    ],
)
async def test_a_scale_that_cannot_be(
    talk: Talk, path: str, patch: dict[str, Any], status: int, kind: str | None, field: str | None
) -> None:
    answer = await talk.patch(f"{path}/scale", patch)
    assert answer.status == status
    details = answer.body["details"]
    assert details.get("kind") == kind
    assert [cause["field"] for cause in details.get("causes", ())] == ([field] if field else [])


@pytest.mark.parametrize(
    "metadata",
    [{}, {"name": "other"}, {"name": "d", "namespace": "other"}],
    ids=["none", "name", "namespace"],
)
async def test_a_scale_names_its_object(talk: Talk, path: str, metadata: dict[str, Any]) -> None:
    body = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": {"replicas": 1}}
    assert (await talk.put(f"{path}/scale", body)).status == 400


async def test_the_main_endpoint_leaves_the_status_and_the_status_endpoint_all_else(
    talk: Talk, path: str
) -> None:
    patch = {
        "metadata": {"labels": {"a": "b"}, "annotations": {"n": "1"}},
        "spec": {"replicas": 7},
        "status": {"observedGeneration": 1},
    }
    patched = (await talk.patch(f"{path}/status", patch)).body
    assert "labels" not in patched["metadata"]
    assert patched["metadata"]["annotations"]["n"] == "1"
    assert patched["spec"]["replicas"] == 0
    current = (await talk.get(path)).body
    # Whatever a controller writes meanwhile: without a version nothing conflicts.
    del current["metadata"]["resourceVersion"]
    current["status"] = {"replicas": 9}
    replaced = (await talk.put(path, current)).body
    assert replaced["status"].get("replicas", 0) == 0


async def test_generations_count_what_changes_the_spec(talk: Talk, path: str) -> None:
    async def generation(patch: dict[str, Any], subresource: str = "") -> int:
        answer = await talk.patch(path + subresource, patch)
        return int(answer.body["metadata"]["generation"])

    assert await generation({"metadata": {"labels": {"a": "b"}}}) == 1
    assert await generation({"status": {"observedGeneration": 1}}, "/status") == 1
    assert await generation({"spec": {"paused": True}}) == 2
    assert await generation({"spec": {"paused": True}}) == 2
    assert await generation({"metadata": {"generation": 9}}) == 2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "configmaps/x/scale", 404),
        ("GET", "pods/p/frobnicate", 404),
        ("DELETE", "deployments/d/scale", 404),
        ("POST", "configmaps/x", 405),
        ("PUT", "configmaps", 405),
    ],
)
async def test_what_is_not_there_to_be_asked(talk: Talk, method: str, path: str, status: int) -> None:
    body = {} if method in ("POST", "PUT") else None
    plural, _, rest = path.partition("/")
    answer = await talk.ask(method, f"{talk.path(plural)}/{rest}".rstrip("/"), body)
    assert answer.status == status


async def test_a_pod_ends_in_its_time(talk: Talk) -> None:
    spec = {"nodeName": "nowhere", "automountServiceAccountToken": False}
    containers = [{"name": "c", "image": "i"}]
    path = talk.path("pods", "p")
    await talk.made(
        talk.path("pods"), {"metadata": {"name": "p"}, "spec": {**spec, "containers": containers}}
    )
    first = (await talk.delete(path)).body["metadata"]
    assert (first["deletionGracePeriodSeconds"], first["generation"]) == (30, 2)
    sooner = (await talk.delete(path, {"gracePeriodSeconds": 5})).body["metadata"]
    assert (sooner["deletionGracePeriodSeconds"], sooner["generation"]) == (5, 2)
    later = (await talk.delete(path, {"gracePeriodSeconds": 60})).body["metadata"]
    assert later["deletionGracePeriodSeconds"] == 5
    now = (await talk.delete(path, {"gracePeriodSeconds": 0})).body
    assert (now["kind"], now["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 0)
    assert (await talk.get(path)).status == 404


@pytest.mark.parametrize(
    ("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]
)
async def test_the_propagation_of_a_deletion_is_noted(talk: Talk, policy: str, finalizer: str) -> None:
    body = {"metadata": {"name": "x", "finalizers": ["example.org/held"]}}
    await talk.made(talk.path("configmaps"), body)
    path = talk.path("configmaps", "x")
    held = (await talk.delete(path, {"propagationPolicy": policy})).body["metadata"]
    assert set(held["finalizers"]) == {"example.org/held", finalizer}
    await talk.patch(path, {"metadata": {"finalizers": None}})
    assert (await talk.get(path)).status == 404


async def test_scale_and_status_as_tables(talk: Talk, path: str) -> None:
    for sub, names in (
        ("scale", ["Name", "Desired", "Available", "Age"]),
        ("status", ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"]),
    ):
        table = (await talk.get(f"{path}/{sub}", accept=TABLE)).body
        assert (table["kind"], [column["name"] for column in table["columnDefinitions"]]) == ("Table", names)
        assert table["rows"][0]["cells"][0] == "d"


async def test_notes_on_a_deployment_are_a_generation_but_beside_its_status(talk: Talk, path: str) -> None:
    async def generation(answer: Any) -> int:
        assert answer.status == 200, answer.body
        return int(answer.body["metadata"]["generation"])

    first = await generation(await talk.get(path))
    noted = {"metadata": {"annotations": {"a": "1"}}}
    assert await generation(await talk.patch(path, noted)) == first + 1
    noted = {"metadata": {"annotations": {"a": "2"}}}
    assert await generation(await talk.patch(f"{path}/status", noted)) == first + 1
    assert await generation(await talk.patch(path, {"metadata": {"labels": {"a": "1"}}})) == first + 1


async def test_the_old_name_of_a_service_account_follows_the_new_one(talk: Talk, path: str) -> None:
    def accounts(answer: Any) -> tuple[str, str]:
        spec = answer.body["spec"]["template"]["spec"]
        return spec.get("serviceAccountName", ""), spec.get("serviceAccount", "")

    for field, wanted in (("serviceAccount", "a"), ("serviceAccountName", "b")):
        patch = {"spec": {"template": {"spec": {field: wanted}}}}
        assert accounts(await talk.patch(path, patch, STRATEGIC)) == (wanted, wanted)
    patch = {"spec": {"template": {"spec": {"serviceAccount": "c"}}}}
    assert accounts(await talk.patch(path, patch, STRATEGIC)) == ("b", "b")
