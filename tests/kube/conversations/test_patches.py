"""Patches of every type: what they make of an object, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from parts.conversation import JSON_PATCH, MERGE, STRATEGIC, Talk

APPS = "apps/v1"


async def made(talk: Talk, **values: str) -> str:
    """The path of a new ConfigMap."""
    await talk.made(talk.path("configmaps"), {"metadata": {"name": "x"}, "data": values})
    return talk.path("configmaps", "x")


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/data/b", "value": "2"}], {"a": "1", "b": "2"}),
        ([{"op": "replace", "path": "/data/a", "value": "2"}], {"a": "2"}),
        ([{"op": "replace", "path": "/data/b", "value": "2"}], {"a": "1", "b": "2"}),
        ([{"op": "remove", "path": "/data/a"}], None),
        ([{"op": "move", "from": "/data/a", "path": "/data/b"}], {"b": "1"}),
        ([{"op": "copy", "from": "/data/a", "path": "/data/b"}], {"a": "1", "b": "1"}),
        ([{"op": "test", "path": "/data/a", "value": "1"}], {"a": "1"}),
        ([{"op": "add", "path": "/data/b"}], {"a": "1", "b": ""}),
        ([{"op": "add", "path": "/data", "value": {"x~/y": "1"}}], 422),
        ([{"op": "add", "path": "/data/x~1y", "value": "1"}], 422),
        ([{"op": "remove", "path": "/data/b"}], 422),
        ([{"op": "test", "path": "/data/a", "value": "2"}], 422),
        ([{"op": "add", "path": "/none/b/c", "value": "2"}], 422),
        ([{"op": "increase", "path": "/data/a", "value": "2"}], 422),
        ([{"op": "add", "value": "2"}], 422),
        ({"op": "add"}, 400),
        (["add"], 400),
        (b"[", 400),
    ],
    ids=repr,
)
async def test_json_patches(talk: Talk, operations: Any, expected: Any) -> None:
    answer = await talk.patch(await made(talk, a="1"), operations, JSON_PATCH)
    assert (answer.body.get("data") if answer.status == 200 else answer.status) == expected


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"data": {"b": "2"}}, {"a": "1", "b": "2"}),
        ({"data": {"a": None}}, None),
        ({"data": None}, None),
        ({"data": {"a": None, "b": "2"}}, {"b": "2"}),
        ({"metadata": {"resourceVersion": None}, "data": {"a": "2"}}, {"a": "2"}),
        ({}, {"a": "1"}),
        ([], 400),
        (b"{", 400),
        ({"metadata": {"resourceVersion": "1"}}, 409),
        ({"metadata": {"name": "y"}}, 400),
        ({"metadata": {"namespace": "y"}}, 400),
    ],
    ids=repr,
)
@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC])
async def test_merge_patches(talk: Talk, content_type: str, patch: Any, expected: Any) -> None:
    answer = await talk.patch(await made(talk, a="1"), patch, content_type)
    assert (answer.body.get("data") if answer.status == 200 else answer.status) == expected


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"data": {"a": 5}}, "patch"),
        ({"kind": "Secret"}, "patch"),
        ({"apiVersion": "v9"}, "patch"),
        ({"metadata": {"uid": "another"}}, "metadata.uid"),
        ({"data": {"a/b": "1"}}, "data[a/b]"),
    ],
    ids=repr,
)
async def test_a_patch_that_leaves_no_such_object_is_invalid(
    talk: Talk, patch: dict[str, Any], field: str
) -> None:
    answer = await talk.patch(await made(talk, a="1"), patch)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert {cause["field"] for cause in answer.body["details"]["causes"]} == {field}


async def test_what_no_kind_has_is_warned_of_or_refused(talk: Talk) -> None:
    path = await made(talk, a="1")
    warned = await talk.patch(path, {"colour": "red"})
    assert (warned.status, warned.warnings) == (200, ('299 - "unknown field \\"colour\\""',))
    ignored = await talk.patch(path, {"colour": "red"}, fieldValidation="Ignore")
    assert (ignored.status, ignored.warnings) == (200, ())
    strict = await talk.patch(path, {"colour": "red"}, fieldValidation="Strict")
    assert (strict.status, strict.reason) == (422, "Invalid")
    assert 'unknown field "colour"' in strict.body["message"]


async def test_a_patch_says_what_it_is(talk: Talk) -> None:
    path = await made(talk)
    for content_type in ("application/json", "text/plain"):
        answer = await talk.patch(path, {}, content_type)
        assert (answer.status, answer.reason) == (415, "UnsupportedMediaType")
    missing = await talk.patch(talk.path("configmaps", "none"), {})
    assert (missing.status, missing.reason) == (404, "NotFound")


def pod_spec(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        (pod_spec({"name": "b", "image": "new"}), "a:old b:new"),
        (pod_spec({"name": "c", "image": "new"}), "c:new a:old b:old"),
        (pod_spec({"name": "a", "$patch": "delete"}), "b:old"),
        (pod_spec({"name": "c", "image": "new"}, {"$patch": "replace"}), "c:new"),
        (
            {
                "spec": {
                    "template": {
                        "spec": {
                            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                            "containers": [{"name": "a", "image": "new"}],
                        }
                    }
                }
            },
            "b:old a:new",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_strategic_patch_merges_lists_by_their_keys(
    talk: Talk, patch: dict[str, Any], expected: str
) -> None:
    labels = {"app": "a"}
    containers = [{"name": name, "image": "old"} for name in ("a", "b")]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    await talk.made(talk.path("deployments", group=APPS), {"metadata": {"name": "d"}, "spec": spec})
    answer = await talk.patch(talk.path("deployments", "d", group=APPS), patch, STRATEGIC)
    assert answer.status == 200, answer.body
    found = answer.body["spec"]["template"]["spec"]["containers"]
    assert " ".join(f"{one['name']}:{one['image']}" for one in found) == expected


async def test_a_strategic_patch_unites_finalizers_and_keeps_the_strategy_it_names(talk: Talk) -> None:
    path = await made(talk)
    await talk.patch(path, {"metadata": {"finalizers": ["example.org/a"]}}, STRATEGIC)
    both = await talk.patch(path, {"metadata": {"finalizers": ["example.org/b"]}}, STRATEGIC)
    assert sorted(both.body["metadata"]["finalizers"]) == ["example.org/a", "example.org/b"]
    one = await talk.patch(
        path, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.org/a"]}}, STRATEGIC
    )
    assert one.body["metadata"]["finalizers"] == ["example.org/b"]
    await talk.patch(path, {"metadata": {"finalizers": None}})
