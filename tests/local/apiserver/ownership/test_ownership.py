"""Owners of fields as values: what is written down is read again, and applies come to rest."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS, PODS
from tidegate.local.apiserver.kinds import BUILT_IN, Kind
from tidegate.local.apiserver.ownership.entries import (
    UPDATES_MAX,
    BadFields,
    Entry,
    Writer,
    capped,
    entries_of,
)
from tidegate.local.apiserver.ownership.merging import difference, merged, without
from tidegate.local.apiserver.ownership.paths import field_set, named, read, shown, written
from tidegate.local.apiserver.ownership.structures import structure_of
from tidegate.local.apiserver.ownership.tracking import Write, after_apply, after_update
from tidegate.local.apiserver.writing.verbs import Options

POD: Kind = next(kind for kind in BUILT_IN if kind.resource == PODS)
NODE = structure_of(POD)
ME = Writer("me", "Apply", "v1")
NOW = "2026-01-31T08:00:00Z"

words = st.text(string.ascii_lowercase, min_size=1, max_size=3)
ports = st.lists(
    st.fixed_dictionaries({"containerPort": st.integers(1, 4)}, optional={"protocol": st.just("UDP")}),
    min_size=1,
    max_size=3,
    unique_by=lambda one: (one["containerPort"], one.get("protocol", "TCP")),
)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": words, "image": words}, optional={"ports": ports, "args": st.lists(words)}
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one["name"],
)
pods = st.builds(
    lambda labels, found: {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "labels": labels},
        "spec": {"containers": found},
    },
    st.dictionaries(words, words, min_size=1, max_size=3),
    containers,
)


def applied(live: Any, wanted: Any, writer: Writer = ME, *, is_forced: bool = False) -> Any:
    new, owners = after_apply(NODE, live, wanted, Write(writer, "status", NOW, is_forced))
    return {**new, "metadata": {**new["metadata"], "managedFields": owners}}


@given(pods)
def test_what_is_written_down_is_read_again(pod: Any) -> None:
    paths = field_set(NODE, pod)
    assert read(written(paths)) == paths


@given(pods, pods)
def test_a_configuration_that_is_applied_is_in_the_object(one: Any, other: Any) -> None:
    new = merged(NODE, one, other)
    assert field_set(NODE, other) <= field_set(NODE, new, is_live=True)
    left = difference(NODE, new, other)
    assert not left.added
    assert not left.changed


@given(pods, pods)
def test_an_apply_that_is_repeated_changes_nothing(one: Any, other: Any) -> None:
    first = applied(applied(None, one), other)
    assert applied(first, other) == first


@given(pods, pods)
def test_who_applies_alone_gets_what_is_applied(one: Any, other: Any) -> None:
    left = applied(applied(None, one), other)
    found = difference(NODE, {**left, "metadata": {**left["metadata"], "managedFields": []}}, other)
    assert found.removed <= {("f:metadata", "f:managedFields")}
    assert not found.added
    assert not found.changed


@given(pods, pods)
def test_what_another_applies_stays(one: Any, other: Any) -> None:
    you = Writer("you", "Apply", "v1")
    both = applied(applied(None, one), other, you, is_forced=True)
    left = applied(both, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}})
    assert field_set(NODE, other) <= field_set(NODE, left, is_live=True)


@given(pods)
def test_all_of_an_object_can_be_taken_out(pod: Any) -> None:
    assert not without(NODE, pod, named(NODE, field_set(NODE, pod)))


@pytest.mark.parametrize(
    "fields",
    [[], "f:a", {"a": {}}, {"f:a": []}, {"f:a": {"x:b": {}}}],
    ids=repr,
)
def test_what_are_no_fields_is_refused(fields: Any) -> None:
    with pytest.raises(BadFields):
        entries_of([{"manager": "x", "operation": "Update", "fieldsV1": fields or [1]}])


def test_fields_that_nest_without_end_are_refused() -> None:
    fields: Any = {}
    for _ in range(1000):
        fields = {"f:a": fields}
    with pytest.raises(BadFields):
        read(fields)


def test_the_oldest_writers_become_one() -> None:
    entries = [
        Entry(Writer(f"w{n}", "Update", "v1"), f"2026-01-31T08:00:{n:02}Z", frozenset({(f"f:{n}",)}))
        for n in range(UPDATES_MAX + 5)
    ]
    kept = capped([Entry(ME, NOW, frozenset({("f:me",)})), *entries])
    updates = [one for one in kept if one.writer.operation == "Update"]
    assert len(updates) == UPDATES_MAX
    ancient = next(one for one in updates if one.writer.name == "ancient-changes")
    assert len(ancient.paths) == 6
    assert frozenset().union(*(one.paths for one in updates)) == {(f"f:{n}",) for n in range(UPDATES_MAX + 5)}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            ("f:spec", 'k:{"containerPort":80,"protocol":"TCP"}', "f:name"),
            '.spec[containerPort=80,protocol="TCP"].name',
        ),
        (("f:finalizers", 'v:"a/b"'), '.finalizers[="a/b"]'),
        (("f:list", "i:0"), ".list[0]"),
    ],
)
def test_paths_read_as_kubernetes_writes_them(path: tuple[str, ...], text: str) -> None:
    assert shown(path) == text


async def test_controllers_writes_follow_only_what_a_client_made(api: Any) -> None:
    """Pods by the thousand carry no owners; a write to them costs nothing more."""
    await api.create(CONFIG_MAPS, api.config_map())
    await api.plane.objects.patch(CONFIG_MAPS, "default", "settings", {"data": {"b": "2"}})
    assert "managedFields" not in api.get(CONFIG_MAPS, "settings")["metadata"]
    target = api.target(DEPLOYMENTS, "web")
    await api.plane.verbs.create(target, api.deployment(), Options(writer="someone"))
    await api.plane.objects.patch(DEPLOYMENTS, "default", "web", {"status": {"replicas": 1}}, "status")
    owners = api.get(DEPLOYMENTS, "web")["metadata"]["managedFields"]
    assert [(one["manager"], one.get("subresource", "")) for one in owners] == [
        ("someone", ""),
        ("tidegate", "status"),
    ]
    assert owners[1]["fieldsV1"] == {"f:status": {"f:replicas": {}}}


def test_a_write_that_changes_nothing_reads_no_entries() -> None:
    old = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "managedFields": ["unreadable"]}}
    assert after_update(NODE, old, dict(old), None, Write(ME, "status", NOW)) == ["unreadable"]
