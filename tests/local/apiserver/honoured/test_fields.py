"""Every field that the API has for what people run is decided about, and the decision is true."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tidegate
from tidegate.local.apiserver.honoured.conditions import CONDITIONS
from tidegate.local.apiserver.honoured.findings import VERSION, findings, inner_type
from tidegate.local.apiserver.honoured.table import PLACES, Row, rows
from tidegate.local.apiserver.kinds import BUILT_IN
from tidegate.local.apiserver.validation import builtin_kinds
from tidegate.local.apiserver.validation.fields import table

SOURCE = Path(tidegate.__file__).parent
KINDS = (
    "pods",
    "services",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "cronjobs.batch",
)
Schema = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Spot:
    """A field at one place: `path` leads to it, list items in brackets; `row` decides about it."""

    kind: str
    path: tuple[str, ...]
    text: str
    row: Row | None


def spots(types: Schema) -> list[Spot]:
    """Each field of each type that these kinds have, at the first place where it stands, by who decides."""
    seen: set[tuple[str, str, Row | None]] = set()

    def walk(kind: str, type: str, path: tuple[str, ...], above: Row | None) -> Iterator[Spot]:
        decided = {(row.field, row.key): row for row in rows().get(type.removeprefix(VERSION), ())}
        for name, text in types[type].items():
            keys = [key for field, key in decided if field == name] or [""]
            for key in keys:
                row = above or decided.get((name, key))
                if (type, f"{name}/{key}", row) in seen:
                    continue
                seen.add((type, f"{name}/{key}", row))
                here = (*path, f"[{name}]" if text.startswith("[") else name)
                yield Spot(kind, (*here, *([key] if key else [])), text, row)
                inner = text.strip("[]")
                # What nobody has decided about is told once, not with all that is below it.
                if inner in types and row is not None:
                    yield from walk(kind, inner, here, row if row.covers else None)

    return [spot for kind in KINDS for spot in walk(kind, f"{VERSION}{PLACES[kind][1]}", (), None)]


ALL = spots(table()[1])
WARNED = [spot for spot in ALL if spot.row is not None and spot.row.verdict == "warned"]


def named(spot: Spot) -> str:
    return f"{spot.kind}:{'.'.join(spot.path)}"


def value_of(spot: Spot) -> Any:
    """Something that the field may hold, and that asks for something."""
    row = spot.row
    assert row is not None
    text = spot.text.strip("[]")
    plain: Any = {"bool": True, "int": 7, "str": "some", "quantity": "7", "any": 7}.get(
        text, {"some": "thing"}
    )
    if text == "bool" and True in row.unless:
        plain = False
    if spot.path[-1] in ("add", "drop"):
        plain = "SOME"
    return [plain] if spot.text.startswith("[") else plain


def minimal(spot: Spot) -> dict[str, Any]:
    """An object of the kind with nothing but this field."""
    value = value_of(spot)
    names = list(spot.path)
    is_keyed = spot.row is not None and bool(spot.row.key) and names[-1] == spot.row.key
    if is_keyed and names[-1] == "*":
        names[-1] = "nvidia.com/gpu"
    if is_keyed:
        value = "7"
    for depth, name in enumerate(reversed(names)):
        is_list = name.startswith("[")
        value = {name.strip("[]"): [value] if is_list and depth else value}
    return value


def undecided(types: Schema) -> list[str]:
    return [named(spot) for spot in spots(types) if spot.row is None]


def test_every_field_is_decided_about():
    assert undecided(table()[1]) == []
    assert len(ALL) > 600


@pytest.mark.parametrize("type", ["V1PodSpec", "V1SecurityContext", "V1JobSpec", "V1ServicePort", "V1Volume"])
def test_a_new_field_is_noticed(type):
    types = {**table()[1], type: {**table()[1][type], "brandNew": "V1SecretVolumeSource"}}
    assert [one.rpartition(".")[2] for one in undecided(types)] == ["brandNew"]


def test_every_row_is_about_a_field_and_no_field_has_two():
    types = table()[1]
    names = [(row.type, row.name) for found in rows().values() for row in found]
    assert sorted(names) == sorted(set(names))
    assert [one for one in names if one[1].partition("[")[0] not in types[f"{VERSION}{one[0]}"]] == []


def test_what_only_holds_others_is_of_a_type_with_fields():
    parts = [row for found in rows().values() for row in found if row.verdict == "parts"]
    assert [row for row in parts if not rows().get(inner_type(row.type, row.field)[0])] == []


def test_what_is_honoured_is_read_by_the_module_that_is_named():
    for found in rows().values():
        for row in found:
            if row.verdict in ("honoured", "node") and not row.is_rule:
                text = (SOURCE / row.by).read_text()
                wanted = [row.field, *filter(None, [row.key])]
                lacking = [name for name in wanted if not re.search(rf"\b{re.escape(name)}\b", text)]
                assert (row.type, row.by, lacking) == (row.type, row.by, [])


def silent(spot: Spot) -> bool:
    """Whether a minimal object with the field comes out without just its warning, which names the field."""
    row = spot.row
    assert row is not None
    told = [re.sub(r"\[\d+\]", "", str(one)) for one in findings(spot.kind, minimal(spot))]
    above, _, _ = ".".join(name.strip("[]") for name in spot.path).partition(row.field)
    return not (
        len(told) == 1
        and told[0].startswith(f"{above}{row.field}")
        and told[0].endswith(f" {row.what}: {row.why}")
    )


def test_what_is_not_honoured_is_told():
    assert [named(spot) for spot in WARNED if silent(spot)] == []
    assert len(WARNED) > 300


def test_the_walk_would_see_a_field_that_is_not_told():
    spot = next(one for one in ALL if one.row is not None and one.row.verdict == "honoured")
    assert silent(spot)


def test_what_asks_for_nothing_else_than_what_happens_is_not_told():
    told = []
    for spot in WARNED:
        row = spot.row
        assert row is not None
        for value in row.unless if spot.path[-1].strip("[]") == row.field else ():
            body: Any = value
            for depth, name in enumerate(reversed(spot.path)):
                body = {name.strip("[]"): [body] if name.startswith("[") and depth else body}
            told += [str(one) for one in findings(spot.kind, body)]
    assert told == []


def test_each_warning_fits_a_header_and_gives_a_way_out():
    told = [row for found in rows().values() for row in found if row.verdict == "warned"]
    assert [row.name for row in told if len(f"{row.what}: {row.why}") > 140] == []
    assert [row.name for row in told if not row.instead or not row.why] == []
    assert {row.but for row in told if row.but} == set(CONDITIONS)


HARMLESS = {
    "status", "selfLink", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "generation", "managedFields", "imagePullSecrets", "imagePullPolicy", "apiVersion",
}  # fmt: skip


def test_little_is_harmless_and_says_why():
    found = [row for one in rows().values() for row in one if row.verdict == "harmless"]
    assert {row.field for row in found} == HARMLESS
    assert all(len(row.why.split()) > 3 for row in found)


@pytest.mark.parametrize(
    "spot", [one for one in ALL if one.row and one.row.verdict == "refused" and len(one.path) == 2], ids=named
)
def test_what_is_refused_is_refused(spot):
    kind = next(one for one in BUILT_IN if one.key == spot.kind)
    body = {"metadata": {"name": "x", "namespace": "y", "uid": "z"}, **minimal(spot)}
    body["spec"] |= {"restartPolicy": "Always", "dnsPolicy": "Default", "containers": [{"name": "c"}]}
    where = ".".join(spot.path).replace("[", "").replace("]", "")
    assert where in [problem.path for problem in builtin_kinds.problems(kind, body)]
