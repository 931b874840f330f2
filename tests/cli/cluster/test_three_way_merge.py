"""The three-way merge: what was applied, what is asked for, what is there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cli.cluster.three_way_merge import (
    LAST_APPLIED,
    annotated,
    encoded,
    last_applied,
    merged,
    patch_for,
)
from tidegate.kube import merge
from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS, SCALED_OBJECTS, Resource

Object = dict[str, Any]

scalars = st.one_of(st.booleans(), st.integers(-3, 3), st.text("ab", max_size=2))
names = st.sampled_from(["a", "b", "c", "d"])
values = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(names, below, max_size=3)),
    max_leaves=8,
)
maps = st.dictionaries(names, values, max_size=4)


def whole(**fields: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, **fields}


def applied(live: Object, last: Object) -> Object:
    """`live` as a server shows it after `last` was applied."""
    note = annotated(last)["metadata"]["annotations"]
    metadata = {"name": "x", "resourceVersion": "7", "annotations": note}
    return {**whole(), **live, "metadata": {**live.get("metadata", {}), **metadata}}


def after(live: Object, body: Object, resource: Resource = CONFIG_MAPS) -> Object:
    return merge.apply(live, patch_for(resource, live, body))


def holds(found: Any, asked: Any) -> bool:
    """Whether `found` says all that `asked` says."""
    if isinstance(asked, dict):
        return isinstance(found, dict) and all(
            name in found and holds(found[name], value) for name, value in asked.items()
        )
    return json.dumps(found) == json.dumps(asked)


@given(last=maps, asked=maps, live=maps)
def test_after_the_patch_the_object_is_what_was_asked_for(last: Object, asked: Object, live: Object) -> None:
    found = after(applied({"spec": live}, whole(spec=last)), whole(spec=asked))
    assert holds(found["spec"], asked)


@given(last=maps, asked=maps, live=maps)
def test_what_was_applied_and_is_no_longer_asked_for_goes_away(
    last: Object, asked: Object, live: Object
) -> None:
    found = after(applied({"spec": live}, whole(spec=last)), whole(spec=asked))
    assert not (last.keys() - asked.keys()) & found["spec"].keys()


@given(last=maps, asked=maps, live=maps)
def test_what_others_have_set_stays(last: Object, asked: Object, live: Object) -> None:
    found = after(applied({"spec": live}, whole(spec=last)), whole(spec=asked))
    foreign = live.keys() - last.keys() - asked.keys()
    assert {name: found["spec"].get(name) for name in foreign} == {name: live[name] for name in foreign}


@given(last=maps, asked=maps, live=maps)
def test_applying_twice_changes_nothing_the_second_time(last: Object, asked: Object, live: Object) -> None:
    body = whole(spec=asked)
    once = after(applied({"spec": live}, whole(spec=last)), body)
    assert patch_for(CONFIG_MAPS, once, body) == {}
    assert last_applied(once) == json.loads(encoded(body))


def test_the_annotation_is_what_kubectl_writes() -> None:
    body = whole(data={"b": "<&>", "a": "é"})
    body["metadata"]["namespace"] = "default"
    assert encoded(body) == (
        '{"apiVersion":"v1","data":{"a":"é","b":"\\u003c\\u0026\\u003e"},"kind":"ConfigMap",'
        '"metadata":{"annotations":{},"name":"x","namespace":"default"}}\n'
    )


def test_annotations_of_others_stay_when_the_manifest_drops_its_own() -> None:
    last = whole()
    last["metadata"]["annotations"] = {"mine": "1"}
    live = applied({}, last)
    live["metadata"]["annotations"] |= {"mine": "1", "theirs": "2"}
    annotations = after(live, whole())["metadata"]["annotations"]
    assert annotations.keys() == {"theirs", LAST_APPLIED}


def test_an_exported_manifest_asks_for_nothing_of_the_server() -> None:
    exported = whole(data={"a": "1"})
    exported["metadata"] |= {"creationTimestamp": None, "generation": 3, "managedFields": []}
    live = applied({"data": {"a": "1"}}, exported)
    live["metadata"] |= {"creationTimestamp": "2026-01-01T00:00:00Z", "generation": 5}
    assert patch_for(CONFIG_MAPS, live, exported) == {}


def test_a_version_in_the_manifest_is_a_precondition_and_never_a_removal() -> None:
    versioned = whole()
    versioned["metadata"]["resourceVersion"] = "3"
    live = applied({}, versioned)
    assert patch_for(CONFIG_MAPS, live, versioned)["metadata"]["resourceVersion"] == "3"
    assert "resourceVersion" not in patch_for(CONFIG_MAPS, live, whole())["metadata"]


def pod(containers: list[Object], **more: Any) -> Object:
    return {"spec": {"template": {"spec": {"containers": containers, **more}}}}


MAIN = {"name": "main", "image": "a"}
DEFAULTED = {"name": "main", "image": "a", "imagePullPolicy": "Always"}
SIDECAR = {"name": "sidecar", "image": "s"}


@pytest.mark.parametrize(
    ("last", "asked", "live", "expected"),
    [
        pytest.param([MAIN], [MAIN], [DEFAULTED], [DEFAULTED], id="defaults stay"),
        pytest.param([MAIN], [MAIN], [SIDECAR, DEFAULTED], [SIDECAR, DEFAULTED], id="sidecars stay in place"),
        pytest.param([MAIN, SIDECAR], [MAIN], [MAIN, SIDECAR], [MAIN], id="a dropped container goes"),
        pytest.param(
            [MAIN],
            [SIDECAR, {"name": "main", "image": "b"}],
            [DEFAULTED],
            [SIDECAR, {**DEFAULTED, "image": "b"}],
            id="the order is the manifest's",
        ),
        pytest.param(
            [{**MAIN, "env": [{"name": "A", "value": "1"}]}],
            [{**MAIN, "env": [{"name": "A", "valueFrom": {"x": 1}}]}],
            [{**DEFAULTED, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}],
            [{**DEFAULTED, "env": [{"name": "A", "valueFrom": {"x": 1}}, {"name": "B", "value": "2"}]}],
            id="lists within lists",
        ),
        pytest.param(
            [MAIN], [MAIN, MAIN], [DEFAULTED], [MAIN, MAIN], id="two of a name are left to the server"
        ),
    ],
)
def test_lists_of_built_in_kinds_are_merged_by_their_keys(last, asked, live, expected) -> None:
    found = merged(pod(last), pod(asked), pod(live), has_keys=True)
    assert found == pod(expected)


def test_lists_of_custom_kinds_are_replaced_whole() -> None:
    last, asked = {"containers": [MAIN]}, {"containers": [MAIN]}
    live = {"containers": [DEFAULTED, SIDECAR]}
    body, there = whole(spec=asked), applied({"spec": live}, whole(spec=last))
    assert after(there, body, SCALED_OBJECTS)["spec"] == asked
    assert after(there, body, DEPLOYMENTS)["spec"] == live


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"type": "Recreate"}, {"type": "Recreate"}),
        ({"type": "RollingUpdate"}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
    ],
)
def test_another_strategy_does_not_keep_the_settings_of_the_old_one(asked: Object, expected: Object) -> None:
    live = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    assert merged({}, {"strategy": asked}, live, has_keys=True) == {"strategy": expected}


def test_another_volume_source_replaces_the_old_one() -> None:
    live = {"volumes": [{"name": "v", "emptyDir": {}}]}
    asked = {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}
    assert merged({}, asked, live, has_keys=True) == asked


def test_null_asks_for_absence() -> None:
    assert merged({}, {"a": None, "b": {"c": None}}, {"a": 1, "b": {"c": 1, "d": 2}}, has_keys=False) == {
        "b": {"d": 2}
    }
