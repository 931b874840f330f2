"""Objects made, changed and deleted: what is answered, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from parts.conversation import Talk


def settings(name: str = "x", labels: dict[str, str] | None = None, **values: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": values}


async def test_an_object_lives_its_life(talk: Talk) -> None:
    maps, path = talk.path("configmaps"), talk.path("configmaps", "x")
    made = await talk.made(maps, settings(a="1"))
    assert (made["kind"], made["apiVersion"], made["data"]) == ("ConfigMap", "v1", {"a": "1"})
    assert {"uid", "resourceVersion", "creationTimestamp"} <= set(made["metadata"])
    assert "generation" not in made["metadata"]
    patched = await talk.patch(path, {"data": {"b": "2"}})
    assert patched.body["data"] == {"a": "1", "b": "2"}
    assert patched.version != made["metadata"]["resourceVersion"]
    replaced = await talk.put(path, settings(c="3"))
    assert replaced.body["data"] == {"c": "3"}
    assert replaced.body["metadata"]["uid"] == made["metadata"]["uid"]
    gone = await talk.delete(path, {"propagationPolicy": "Background"})
    assert (gone.status, gone.body["kind"], gone.body["status"]) == (200, "Status", "Success")
    assert gone.body["details"] == {"name": "x", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await talk.get(path)).status == 404


async def test_a_name_is_taken_once(talk: Talk) -> None:
    maps = talk.path("configmaps")
    await talk.made(maps, settings())
    again = await talk.post(maps, settings())
    assert (again.status, again.reason) == (409, "AlreadyExists")
    assert again.body["message"] == 'configmaps "x" already exists'
    assert again.body["details"] == {"name": "x", "kind": "configmaps"}


async def test_a_stale_version_is_a_conflict_and_none_is_no_condition(talk: Talk) -> None:
    maps, path = talk.path("configmaps"), talk.path("configmaps", "x")
    made = await talk.made(maps, settings(a="1"))
    await talk.patch(path, {"data": {"a": "2"}})
    stale = await talk.put(path, made)
    assert (stale.status, stale.reason) == (409, "Conflict")
    assert stale.body["message"] == (
        'Operation cannot be fulfilled on configmaps "x": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert stale.body["details"] == {"name": "x", "kind": "configmaps"}
    by_patch = await talk.patch(path, {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}})
    assert (by_patch.status, by_patch.reason) == (409, "Conflict")
    assert (await talk.put(path, settings(a="3"))).body["data"] == {"a": "3"}


async def test_a_precondition_spares_a_namesake(talk: Talk) -> None:
    path = talk.path("configmaps", "x")
    made = await talk.made(talk.path("configmaps"), settings())
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    other = await talk.delete(path, {"preconditions": {"uid": "another"}})
    assert (other.status, other.reason) == (409, "Conflict")
    assert other.body["details"] == {"name": "x", "kind": "ConfigMap"}
    assert f"(another) does not match the UID in record ({uid})" in other.body["message"]
    await talk.patch(path, {"data": {"a": "1"}})
    older = await talk.delete(path, {"preconditions": {"resourceVersion": version}})
    assert (older.status, older.reason) == (409, "Conflict")
    by_put = await talk.put(path, {**settings(), "metadata": {"name": "x", "uid": "another"}})
    assert (by_put.status, by_put.reason) == (409, "Conflict")
    assert (await talk.delete(path, {"preconditions": {"uid": uid}})).status == 200


async def test_a_write_that_changes_nothing_keeps_the_version(talk: Talk) -> None:
    path = talk.path("configmaps", "x")
    made = await talk.made(talk.path("configmaps"), settings(a="1"))
    version = made["metadata"]["resourceVersion"]
    assert (await talk.put(path, settings(a="1"))).version == version
    assert (await talk.patch(path, {"data": {"a": "1"}})).version == version


async def test_names_are_made_where_asked(talk: Talk) -> None:
    body = settings()
    body["metadata"] = {"generateName": "pre-"}
    names = {(await talk.made(talk.path("configmaps"), body))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("pre-") and len(name) == 9 for name in names)


async def test_a_dry_run_answers_and_stores_nothing(talk: Talk) -> None:
    maps, path = talk.path("configmaps"), talk.path("configmaps", "x")
    dry = await talk.post(maps, settings(a="1"), dryRun="All")
    assert (dry.status, dry.body["metadata"]["name"]) == (201, "x")
    assert (await talk.get(path)).status == 404
    made = await talk.made(maps, settings(a="1"))
    changed = await talk.patch(path, {"data": {"a": "2"}}, dryRun="All")
    assert (changed.body["data"], changed.version) == ({"a": "2"}, made["metadata"]["resourceVersion"])
    assert (await talk.delete(path, {"dryRun": ["All"]})).status == 200
    assert (await talk.get(path)).body["data"] == {"a": "1"}


async def test_a_finalizer_holds_what_is_deleted(talk: Talk) -> None:
    path = talk.path("configmaps", "x")
    body = settings()
    body["metadata"]["finalizers"] = ["example.org/held"]
    await talk.made(talk.path("configmaps"), body)
    held = await talk.delete(path)
    assert (held.status, held.body["kind"]) == (200, "ConfigMap")
    assert held.body["metadata"]["deletionGracePeriodSeconds"] == 0
    again = await talk.delete(path)
    assert (again.status, again.version) == (200, held.version)
    more = await talk.patch(path, {"metadata": {"finalizers": ["example.org/held", "example.org/late"]}})
    assert (more.status, more.reason) == (422, "Invalid")
    await talk.patch(path, {"metadata": {"finalizers": None}})
    assert (await talk.get(path)).status == 404


async def test_a_collection_is_deleted_by_selector(talk: Talk) -> None:
    maps = talk.path("configmaps")
    for name, tier in (("a", "x"), ("b", "y"), ("c", "x")):
        await talk.made(maps, settings(name, {"tier": tier}))
    gone = await talk.delete(maps, labelSelector="tier=x")
    assert gone.status == 200
    assert [item["metadata"]["name"] for item in gone.body["items"]] == ["a", "c"]
    left = await talk.get(maps, labelSelector="tier")
    assert [item["metadata"]["name"] for item in left.body["items"]] == ["b"]


REFERENCE = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"metadata": {"name": "Upper"}}, ["metadata.name"]),
        ({"metadata": {"name": "a" * 254}}, ["metadata.name"]),
        ({"metadata": {}}, ["metadata.name"]),
        ({"metadata": {"generateName": "Upper-"}}, ["metadata.generateName", "metadata.name"]),
        ({"metadata": {"name": "x", "labels": {"a b": "c"}}}, ["metadata.labels"]),
        ({"metadata": {"name": "x", "labels": {"a": "b c"}}}, ["metadata.labels"]),
        ({"metadata": {"name": "x", "annotations": {"a b": "c"}}}, ["metadata.annotations"]),
        ({"metadata": {"name": "x", "finalizers": ["held"]}}, ["metadata.finalizers[0]"]),
        ({"metadata": {"name": "x", "finalizers": ["a b/x"]}}, ["metadata.finalizers"]),
        (
            {"metadata": {"name": "x", "ownerReferences": [{"kind": "a", "apiVersion": "v1"}]}},
            ["metadata.ownerReferences.name", "metadata.ownerReferences.uid"],
        ),
        (
            {"metadata": {"name": "x", "ownerReferences": [REFERENCE, {**REFERENCE, "name": "q"}]}},
            ["metadata.ownerReferences"],
        ),
        ({"data": {"a/b": "1"}}, ["data[a/b]"]),
        ({"binaryData": {"a": "AA=="}, "data": {"a": "1"}}, ["data[a]"]),
        ({"data": {"a": "x" * 1_048_577}}, ["[]"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_an_invalid_object_is_refused_with_every_cause(
    talk: Talk, change: dict[str, Any], fields: list[str]
) -> None:
    answer = await talk.post(talk.path("configmaps"), {**settings(), **change})
    assert (answer.status, answer.reason) == (422, "Invalid")
    details = answer.body["details"]
    assert sorted(cause["field"] for cause in details["causes"]) == fields
    assert details["kind"] == "ConfigMap"
    assert "uid" not in details


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"name": "x", "namespace": "elsewhere"}},
        {"kind": "Secret"},
        {"apiVersion": "v2"},
        {"data": {"a": 1}},
        {"data": []},
        {"binaryData": {"a": "%%"}},
        {"metadata": {"name": "x", "labels": {"a": True}}},
    ],
    ids=repr,
)
async def test_a_body_that_is_no_such_object_cannot_be_read(talk: Talk, change: dict[str, Any]) -> None:
    await talk.made(talk.path("configmaps"), settings())
    answer = await talk.post(talk.path("configmaps"), {**settings(), **change})
    assert (answer.status, answer.reason) == (400, "BadRequest")


async def test_what_is_invalid_is_told_before_what_is_taken(talk: Talk) -> None:
    await talk.made(talk.path("configmaps"), settings())
    answer = await talk.post(talk.path("configmaps"), settings(**{"a/b": "1"}))
    assert (answer.status, answer.reason) == (422, "Invalid")


async def test_a_replacement_names_its_object_and_the_one_that_is_there(talk: Talk) -> None:
    path = talk.path("configmaps", "x")
    missing = await talk.put(path, settings())
    assert (missing.status, missing.reason) == (404, "NotFound")
    await talk.made(talk.path("configmaps"), settings())
    other, nameless = await talk.put(path, settings("y")), await talk.put(path, {"data": {"a": "1"}})
    assert [(one.status, one.reason) for one in (other, nameless)] == [(400, "BadRequest")] * 2


async def test_a_lease_is_never_replaced_without_a_version(talk: Talk) -> None:
    body = {"metadata": {"name": "x"}, "spec": {"holderIdentity": "a"}}
    made = await talk.made(talk.path("leases", group="coordination.k8s.io/v1"), body)
    path = talk.path("leases", "x", group="coordination.k8s.io/v1")
    blind = await talk.put(path, body)
    assert (blind.status, blind.reason) == (422, "Invalid")
    assert blind.body["details"]["kind"] == "leases"
    assert [cause["field"] for cause in blind.body["details"]["causes"]] == ["metadata.resourceVersion"]
    assert (await talk.put(path, made)).status == 200


async def test_a_namespace_must_be_there(talk: Talk) -> None:
    path = f"/api/v1/namespaces/{talk.token}-nowhere/configmaps"
    answer = await talk.post(path, settings())
    assert (answer.status, answer.reason) == (404, "NotFound")
    assert answer.body["message"] == f'namespaces "{talk.token}-nowhere" not found'


@pytest.mark.parametrize(
    ("method", "query", "kind", "field"),
    [
        ("POST", {"fieldValidation": "Maybe"}, "CreateOptions", "fieldValidation"),
        ("POST", {"dryRun": "Some"}, "CreateOptions", "dryRun"),
        ("PUT", {"dryRun": "Some"}, "UpdateOptions", "dryRun"),
        ("PATCH", {"dryRun": "Some"}, "PatchOptions", "dryRun"),
        ("DELETE", {"dryRun": "Some"}, "DeleteOptions", "dryRun"),
        ("DELETE", {"propagationPolicy": "Sideways"}, "DeleteOptions", "propagationPolicy"),
        (
            "DELETE",
            {"propagationPolicy": "Orphan", "orphanDependents": "true"},
            "DeleteOptions",
            "propagationPolicy",
        ),
    ],
)
async def test_options_that_mean_nothing(
    talk: Talk, method: str, query: dict[str, str], kind: str, field: str
) -> None:
    await talk.made(talk.path("configmaps"), settings())
    path = talk.path("configmaps", "" if method == "POST" else "x")
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = None if method == "DELETE" else settings("y" if method == "POST" else "x")
    answer = await talk.ask(method, path, body, content_type=content_type, **query)
    assert (answer.status, answer.reason) == (422, "Invalid")
    details = answer.body["details"]
    assert (details["group"], details["kind"]) == ("meta.k8s.io", kind)
    assert [cause["field"] for cause in details["causes"]] == [field]


async def test_a_deletion_takes_no_other_body(talk: Talk) -> None:
    path = talk.path("configmaps", "x")
    await talk.made(talk.path("configmaps"), settings())
    for body in (b"{", {"apiVersion": "v1", "kind": "Pod"}):
        assert (await talk.delete(path, body)).status == 400
    assert (await talk.delete(path, gracePeriodSeconds="-5")).status == 200


CONTAINER = {"name": "c", "image": "i"}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
DEPLOYMENT = {
    "selector": {"matchLabels": {"a": "b"}},
    "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER]}},
}


@pytest.mark.parametrize(
    ("plural", "group", "spec", "fields"),
    [
        (
            "jobs",
            "batch/v1",
            {"template": {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}},
            {"spec.selector", "spec.template", "spec.template.metadata.labels"},
        ),
        ("pods", "", {"automountServiceAccountToken": False, "containers": [CONTAINER]}, {"spec"}),
        ("services", "", {"selector": {"a": "b"}, "ports": [{"port": 80}]}, set()),
        ("persistentvolumeclaims", "", CLAIM, set()),
        ("deployments", "apps/v1", DEPLOYMENT, set()),
    ],
)
async def test_a_first_body_sent_again(
    talk: Talk, plural: str, group: str, spec: dict[str, Any], fields: set[str]
) -> None:
    """What the server has chosen for a Job or a Pod belongs to it, and a body without it is another's."""
    body = {"metadata": {"name": "a"}, "spec": spec}
    await talk.made(talk.path(plural, group=group), body)
    answer = await talk.put(talk.path(plural, "a", group=group), body)
    assert answer.status == (422 if fields else 200), answer.body
    assert {one["field"] for one in (answer.body.get("details") or {}).get("causes", ())} == fields
