"""Our definitions beside KEDA's: whatever KEDA keeps of an object, ours keep too, under the same names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parts.keda_recording import RECORDINGS, definitions
from tidegate.api.schema.crds import crds

Object = dict[str, Any]
TEMPLATE = "spec.jobTargetRef"


def by_name(found: list[Object]) -> dict[str, Object]:
    return {one["metadata"]["name"]: one["spec"] for one in found}


def version(spec: Object) -> Object:
    [only] = spec["versions"]
    return dict(only)


def fields(schema: Object, path: str = "") -> Iterator[tuple[str, Object]]:
    """Every field with its path; `[]` is an item of a list, `{}` a value of a map."""
    for name, one in (schema.get("properties") or {}).items():
        inner = f"{path}.{name}".lstrip(".")
        yield inner, one
        yield from fields(one, inner)
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(part), dict):
            yield f"{path}{mark}", schema[part]
            yield from fields(schema[part], path + mark)


def of_spec(spec: Object) -> dict[str, Object]:
    """What a user or KEDA writes, but for the template of Jobs, which is Kubernetes' own."""
    schema = version(spec)["schema"]["openAPIV3Schema"]
    return {
        path: one
        for path, one in fields(schema)
        if path.split(".")[0].split("[")[0] in ("spec", "status") and not path.startswith(f"{TEMPLATE}.")
    }


@pytest.fixture(params=RECORDINGS, ids=lambda file: file.stem)
def theirs(request: pytest.FixtureRequest) -> dict[str, Object]:
    file: Path = request.param
    return by_name(definitions(file))


OURS = by_name(crds())


def test_the_kinds_are_the_same(theirs: dict[str, Object]) -> None:
    assert OURS.keys() == theirs.keys()
    for name, spec in theirs.items():
        ours = OURS[name]
        assert (ours["group"], ours["scope"]) == (spec["group"], spec["scope"])
        for part in ("kind", "listKind", "plural", "singular", "shortNames"):
            assert ours["names"].get(part) == spec["names"].get(part), (name, part)
        have, want = version(ours), version(spec)
        assert have["name"] == want["name"]
        assert have.get("subresources") == want.get("subresources"), name


def test_the_columns_of_kubectl_get_are_the_same(theirs: dict[str, Object]) -> None:
    for name, spec in theirs.items():
        have, want = (version(one).get("additionalPrinterColumns") or [] for one in (OURS[name], spec))
        keys = ("name", "jsonPath", "type")
        assert [[one[key] for key in keys] for one in have] == [[one[key] for key in keys] for one in want], (
            name
        )


def test_no_field_of_kedas_is_dropped(theirs: dict[str, Object]) -> None:
    missing = {
        name: sorted(of_spec(spec).keys() - of_spec(OURS[name]).keys()) for name, spec in theirs.items()
    }
    assert {name: paths for name, paths in missing.items() if paths} == {}


def test_a_field_has_the_type_that_it_has_in_kedas(theirs: dict[str, Object]) -> None:
    other = {}
    for name, spec in theirs.items():
        ours = of_spec(OURS[name])
        for path, one in of_spec(spec).items():
            mine = ours.get(path)
            if mine is not None and mine.get("type") != one.get("type"):
                other[f"{name} {path}"] = (mine.get("type"), one.get("type"))
    assert other == {}


def test_what_kedas_do_not_demand_ours_do_not_either(theirs: dict[str, Object]) -> None:
    """An object that is stored there is one that may be stored here."""
    stricter = {}
    for name, spec in theirs.items():
        ours = of_spec(OURS[name])
        for path, one in of_spec(spec).items():
            more = set((ours.get(path) or {}).get("required") or ()) - set(one.get("required") or ())
            if more:
                stricter[f"{name} {path}"] = sorted(more)
    assert stricter == {}
