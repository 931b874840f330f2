"""A definition brings its kind, whose objects are kept to their schema, and takes it away."""

from __future__ import annotations

from typing import Any

import pytest

from parts.conversation import STRATEGIC, TABLE, Talk
from parts.waiting import until_so

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer", "minimum": 0},
                "word": {"type": "string", "default": "hi"},
                "when": {"type": "string", "format": "date-time"},
            },
        },
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
    },
}


def definition(talk: Talk, **version: Any) -> dict[str, Any]:
    columns = [
        {"name": "Word", "type": "string", "jsonPath": ".spec.word"},
        {"name": "N", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1},
    ]
    paths = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    whole = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": SCHEMA},
        "subresources": {"status": {}, "scale": paths},
        "additionalPrinterColumns": columns,
        **version,
    }
    group = f"{talk.token}.example"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"tides.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "tides", "kind": "Tide", "shortNames": ["td"]},
            "versions": [{name: value for name, value in whole.items() if value is not None}],
        },
    }


def tide(talk: Talk, name: str = "t", **spec: Any) -> dict[str, Any]:
    version = f"{talk.token}.example/v1"
    return {"apiVersion": version, "kind": "Tide", "metadata": {"name": name}, "spec": spec}


def path(talk: Talk, name: str = "", subresource: str = "") -> str:
    return talk.path("tides", name, group=f"{talk.token}.example/v1", subresource=subresource)


async def defined(talk: Talk) -> None:
    """Returns when the kind is served."""
    await talk.made(CRDS, definition(talk))

    async def is_served() -> bool:
        return (await talk.get(path(talk))).status == 200

    await until_so(is_served)


async def undefined(talk: Talk) -> None:
    assert (await talk.delete(f"{CRDS}/tides.{talk.token}.example")).status == 200


@pytest.fixture
async def tides(talk: Talk) -> Any:
    await defined(talk)
    yield talk
    await undefined(talk)


async def test_a_definition_brings_its_kind_and_takes_it_away(talk: Talk) -> None:
    group = f"{talk.token}.example"
    assert (await talk.get(f"/apis/{group}/v1")).status == 404
    await defined(talk)
    stored = (await talk.get(f"{CRDS}/tides.{group}")).body
    assert stored["spec"]["names"]["singular"] == "tide"
    assert stored["spec"]["names"]["listKind"] == "TideList"
    assert stored["spec"]["conversion"] == {"strategy": "None"}
    assert stored["status"]["storedVersions"] == ["v1"]
    conditions = {one["type"]: one["status"] for one in stored["status"]["conditions"]}
    assert {"NamesAccepted": "True", "Established": "True"}.items() <= conditions.items()
    listed = (await talk.get(f"/apis/{group}/v1")).body
    assert {one["name"] for one in listed["resources"]} == {"tides", "tides/status", "tides/scale"}
    about = (await talk.get(f"/apis/{group}")).body
    assert about["preferredVersion"] == {"groupVersion": f"{group}/v1", "version": "v1"}
    await talk.made(path(talk), tide(talk))
    await undefined(talk)

    async def is_gone() -> bool:
        return (await talk.get(path(talk))).status == 404

    await until_so(is_gone)
    assert (await talk.get(f"{CRDS}/tides.{group}")).status == 404


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"schema": None}, ["spec.versions[0].schema.openAPIV3Schema"]),
        ({"storage": False}, ["spec.versions"]),
        ({"name": "1"}, ["spec.versions[0].name"]),
    ],
    ids=str,
)
async def test_a_definition_that_cannot_be(talk: Talk, change: dict[str, Any], fields: list[str]) -> None:
    answer = await talk.post(CRDS, definition(talk, **change))
    assert (answer.status, answer.reason) == (422, "Invalid")
    told = {cause["field"] for cause in answer.body["details"]["causes"]}
    assert set(fields) <= told


async def test_a_definition_is_named_after_its_kind_and_replaced_by_version(tides: Talk) -> None:
    named = definition(tides)
    named["metadata"]["name"] = "tides"
    answer = await tides.post(CRDS, named)
    assert (answer.status, answer.body["details"]["causes"][0]["field"]) == (422, "metadata.name")
    blind = await tides.put(f"{CRDS}/tides.{tides.token}.example", definition(tides))
    assert (blind.status, blind.reason) == (422, "Invalid")


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        ({"replicas": "two"}, [".spec.replicas FieldValueInvalid", "spec.replicas FieldValueTypeInvalid"]),
        ({"replicas": -2}, [".spec.replicas FieldValueInvalid", "spec.replicas FieldValueInvalid"]),
        ({"when": "soon"}, ["spec.when FieldValueTypeInvalid"]),
        ({"word": 5}, ["spec.word FieldValueTypeInvalid"]),
    ],
    ids=str,
)
async def test_an_object_keeps_to_its_schema(tides: Talk, spec: dict[str, Any], causes: list[str]) -> None:
    answer = await tides.post(path(tides), tide(tides, **spec))
    assert (answer.status, answer.reason) == (422, "Invalid")
    details = answer.body["details"]
    assert (details["kind"], details["group"]) == ("Tide", f"{tides.token}.example")
    assert sorted(f"{one['field']} {one['reason']}" for one in details["causes"]) == causes


async def test_defaults_are_filled_and_unknown_fields_pruned(tides: Talk) -> None:
    warned = await tides.post(path(tides), tide(tides, colour="red"))
    assert warned.warnings == ('299 - "unknown field \\"spec.colour\\""',)
    assert (warned.status, warned.body["spec"]) == (201, {"word": "hi"})
    strict = await tides.post(path(tides), tide(tides, "s", colour="red"), fieldValidation="Strict")
    assert (strict.status, strict.reason) == (400, "BadRequest")
    again = await tides.patch(path(tides, "t"), {"spec": {"word": None}})
    assert (again.body["spec"], again.version) == ({"word": "hi"}, warned.version)


async def test_an_object_says_its_kind_and_is_replaced_by_version(tides: Talk) -> None:
    for field in ("kind", "apiVersion"):
        nameless = {name: value for name, value in tide(tides).items() if name != field}
        answer = await tides.post(path(tides), nameless)
        assert (answer.status, answer.reason) == (400, "BadRequest")
    made = await tides.made(path(tides), tide(tides, replicas=1))
    blind = await tides.put(path(tides, "t"), tide(tides, replicas=2))
    assert (blind.status, blind.reason) == (422, "Invalid")
    assert blind.body["details"]["causes"][0]["field"] == "metadata.resourceVersion"
    made["spec"]["replicas"] = 2
    replaced = await tides.put(path(tides, "t"), made)
    assert (replaced.status, replaced.body["metadata"]["generation"]) == (200, 2)
    stale = await tides.put(path(tides, "t"), made)
    assert (stale.status, stale.reason) == (409, "Conflict")


async def test_status_and_scale_have_endpoints_of_their_own(tides: Talk) -> None:
    body = {**tide(tides, replicas=2), "status": {"replicas": 9}}
    made = await tides.made(path(tides), body)
    assert "status" not in made
    change = {"status": {"replicas": 1}, "spec": {"replicas": 7}, "metadata": {"labels": {"a": "b"}}}
    patched = (await tides.patch(path(tides, "t", "status"), change)).body
    assert (patched["status"], patched["spec"]["replicas"]) == ({"replicas": 1}, 2)
    assert ("labels" in patched["metadata"], patched["metadata"]["generation"]) == (False, 1)
    scale = (await tides.get(path(tides, "t", "scale"))).body
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1})
    written = await tides.patch(path(tides, "t", "scale"), {"spec": {"replicas": 0}})
    assert (written.status, written.body["spec"]) == (200, {})
    refused = await tides.patch(path(tides, "t", "scale"), {"spec": {"replicas": -1}})
    assert (refused.status, refused.body["details"]["kind"]) == (422, "Tide")


async def test_patches_of_custom_resources_are_not_strategic(tides: Talk) -> None:
    await tides.made(path(tides), tide(tides))
    answer = await tides.patch(path(tides, "t"), {}, STRATEGIC)
    assert (answer.status, answer.reason) == (415, "UnsupportedMediaType")


async def test_a_finalizer_without_a_domain_is_warned_of(tides: Talk) -> None:
    body = tide(tides)
    body["metadata"]["finalizers"] = ["finalizer.keda.sh", "a.b/c"]
    made = await tides.post(path(tides), body)
    assert (made.status, len(made.warnings)) == (201, 1)
    assert (
        'finalizer.keda.sh\\": prefer a domain-qualified finalizer name including a path (/)'
        in made.warnings[0]
    )
    same = await tides.patch(path(tides, "t"), {"metadata": {"labels": {"a": "b"}}})
    assert same.warnings == ()
    plain = await tides.patch(path(tides, "t"), {"metadata": {"finalizers": ["other"]}})
    assert 'other\\": prefer a domain-qualified finalizer name to avoid' in plain.warnings[0]
    await tides.patch(path(tides, "t"), {"metadata": {"finalizers": None}})


async def test_its_columns_are_printed(tides: Talk) -> None:
    await tides.made(path(tides), tide(tides, replicas=2))
    table = (await tides.get(path(tides), accept=TABLE)).body
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Word", "N"]
    assert table["rows"][0]["cells"] == ["t", "hi", 2]
    described = table["columnDefinitions"][1]["description"]
    assert described == "Custom resource definition column (in JSONPath format): .spec.word"
