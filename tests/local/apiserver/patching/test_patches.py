from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.patching.patches import Unfit, json_patch, merge_patch, patched
from tidegate.local.apiserver.patching.strategic_merge import BadPatch, strategic_merge


def copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


# Appendix A of RFC 7386.
@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_its_standard_says(document: Any, patch: Any, expected: Any) -> None:
    before = copied(document)
    assert merge_patch(document, patch) == expected
    assert document == before


@given(JSON, JSON)
def test_merging_twice_is_merging_once(document: Any, patch: Any) -> None:
    once = merge_patch(document, patch)
    assert merge_patch(once, patch) == once


def op(name: str, path: str, *value: Any, **more: Any) -> dict[str, Any]:
    return {"op": name, "path": path, **({"value": value[0]} if value else {}), **more}


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        ({"a": 1}, [op("add", "/b", 2)], {"a": 1, "b": 2}),
        ({"a": [1, 3]}, [op("add", "/a/1", 2)], {"a": [1, 2, 3]}),
        ({"a": [1]}, [op("add", "/a/-", 2), op("add", "/a/2", 3)], {"a": [1, 2, 3]}),
        ({"a": 1}, [op("add", "/a", None)], {"a": None}),
        ({"a": 1}, [op("add", "", {"b": 2})], {"b": 2}),
        ({"a": [1, 2]}, [op("remove", "/a/0")], {"a": [2]}),
        ({"a": {"b": 1}}, [op("replace", "/a/b", 2)], {"a": {"b": 2}}),
        ({"a": [1, 2]}, [op("replace", "/a/1", 5)], {"a": [1, 5]}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
        ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
        ({"a": {"b": [1]}}, [{"op": "copy", "from": "/a", "path": "/c"}, op("add", "/a/b/-", 2)], None),
        ({"a/b": 1, "m~n": 2}, [op("remove", "/a~1b"), op("replace", "/m~0n", 3)], {"m~n": 3}),
        ({"a": 1}, [op("test", "/a", 1), op("replace", "/a", 2)], {"a": 2}),
        ({"": 1}, [op("replace", "/", 2)], {"": 2}),
    ],
)
def test_a_json_patch_does_what_its_standard_says(document: Any, operations: Any, expected: Any) -> None:
    if expected is None:
        expected = {"a": {"b": [1, 2]}, "c": {"b": [1]}}
    assert json_patch(copied(document), operations) == expected


@pytest.mark.parametrize(
    ("operations", "error"),
    [
        ([op("test", "/a", 2)], Unfit),
        ([op("test", "/a", True)], Unfit),
        ([op("remove", "/x")], Unfit),
        ([op("replace", "/x/y", 1)], Unfit),
        ([op("replace", "/l/5", 1)], Unfit),
        ([{"op": "remove"}], Unfit),
        ([op("increase", "/a", 1)], Unfit),
        ([op("add", "/x/y", 1)], Unfit),
        ([op("add", "/l/5", 1)], Unfit),
        ([op("remove", "/l/-")], Unfit),
        ([op("remove", "/l/01")], Unfit),
        ([op("remove", "/l/" + "9" * 5_000)], Unfit),
        ([op("add", "/a/b", 1)], Unfit),
        ([op("remove", "")], Unfit),
        ([{"op": "move", "from": "/m", "path": "/m/n"}], Unfit),
        ([op("add", "a", 1)], BadPatch),
        ([{"op": "move", "path": "/b"}], BadPatch),
        (["add"], BadPatch),
        ({"op": "add"}, BadPatch),
        ([op("test", "/a", 1)] * 10_001, BadPatch),
    ],
)
def test_a_json_patch_that_does_not_fit_is_told_from_one_that_is_none(operations: Any, error: type) -> None:
    with pytest.raises(error):
        json_patch({"a": 1, "l": [1], "m": {}}, operations)


@pytest.mark.parametrize(
    ("type", "patch", "code"),
    [("json", [op("remove", "/x")], 422), ("json", {}, 400), ("merge", [], 400), ("strategic", "x", 400)],
)
def test_the_answer_to_a_patch_says_whose_mistake_it_is(type: Any, patch: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        patched(type, "pods", {}, patch)
    assert caught.value.code == code


def containers(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(items), **fields}}}}


A, B, C = ({"name": name, "image": f"{name}:1"} for name in "abc")


@pytest.mark.parametrize(
    ("current", "patch", "expected"),
    [
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}, id="null deletes"),
        pytest.param(
            {"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}, id="replace a map"
        ),
        pytest.param({"a": {"b": 1}}, {"a": {"$patch": "delete"}}, {"a": {}}, id="empty a map"),
        pytest.param(
            {"a": 1}, {"b": {"c": None, "d": [{"e": None}]}}, {"a": 1, "b": {"d": [{}]}}, id="new map"
        ),
        pytest.param(
            containers(A, B),
            containers({"name": "b", "image": "b:2"}),
            containers(A, {**B, "image": "b:2"}),
            id="an item is found by its key",
        ),
        pytest.param(containers(A), containers(C), containers(C, A), id="an unknown item comes first"),
        pytest.param(
            containers(A, B),
            containers({"name": "a", "$patch": "delete"}),
            containers(B),
            id="delete an item",
        ),
        pytest.param(
            containers(A, B), containers({"$patch": "replace"}, C), containers(C), id="replace a merged list"
        ),
        pytest.param(
            containers(A),
            containers({"name": "z", "$patch": "delete"}, C),
            containers(C, A),
            id="delete what is not there",
        ),
        pytest.param(
            containers(A),
            containers({"name": "a", "args": ["x"]}),
            containers({**A, "args": ["x"]}),
            id="add field",
        ),
        pytest.param(
            containers({**A, "args": ["x", "y"]}),
            containers({"name": "a", "args": ["z"]}),
            containers({**A, "args": ["z"]}),
            id="lists of plain values are replaced",
        ),
        pytest.param(
            containers({**A, "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]}),
            containers({"name": "a", "env": [{"name": "X", "valueFrom": {"fieldRef": {}}, "value": None}]}),
            containers(
                {**A, "env": [{"name": "X", "valueFrom": {"fieldRef": {}}}, {"name": "Y", "value": "1"}]}
            ),
            id="lists in lists",
        ),
        pytest.param(
            containers({**A, "ports": [{"containerPort": 80, "name": "web"}]}),
            containers(
                {"name": "a", "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 81}]}
            ),
            containers({**A, "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 81}]}),
            id="container ports by number",
        ),
        pytest.param(
            containers({**A, "volumeMounts": [{"name": "v", "mountPath": "/a"}]}),
            containers({"name": "a", "volumeMounts": [{"name": "w", "mountPath": "/a"}]}),
            containers({**A, "volumeMounts": [{"name": "w", "mountPath": "/a"}]}),
            id="mounts by path",
        ),
        pytest.param(
            containers(A, tolerations=[{"key": "x"}]),
            containers(tolerations=[{"key": "y"}]),
            containers(A, tolerations=[{"key": "y"}]),
            id="tolerations are one value",
        ),
        pytest.param(
            containers(A, volumes=[{"name": "v", "emptyDir": {}}]),
            containers(
                volumes=[{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]
            ),
            containers(A, volumes=[{"name": "v", "hostPath": {"path": "/x"}}]),
            id="retainKeys changes the source of a volume",
        ),
        pytest.param(
            {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
            {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
            {"spec": {"strategy": {"type": "Recreate"}}},
            id="retainKeys changes the strategy",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["b", "c"]}},
            {"metadata": {"finalizers": ["a", "b", "c"]}},
            id="finalizers unite",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}},
            id="finalizers are taken out",
        ),
        pytest.param(
            {"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]}},
            {"metadata": {"ownerReferences": [{"uid": "1", "$patch": "delete"}, {"uid": "2", "name": "b"}]}},
            {"metadata": {"ownerReferences": [{"uid": "2", "name": "b"}]}},
            id="owners by uid",
        ),
        pytest.param(
            {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
            {
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}, {"type": "Idle", "status": "True"}]
                }
            },
            {
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}, {"type": "Idle", "status": "True"}]
                }
            },
            id="conditions by type",
        ),
    ],
)
def test_strategic_merge(current: Any, patch: Any, expected: Any) -> None:
    before = copied(current)
    assert strategic_merge("deployments.apps", current, patch) == expected
    assert current == before


def ordered(order: str, *items: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {"$setElementOrder/containers": [{"name": name} for name in order]}
    if items:
        spec["containers"] = list(items)
    return {"spec": {"template": {"spec": spec}}}


@pytest.mark.parametrize(
    ("live", "patch", "names"),
    [
        ("ab", ordered("ba"), "ba"),
        ("ab", ordered("bac", C), "bac"),
        ("axb", ordered("ba"), "xba"),
        ("xab", ordered("ab"), "xab"),
        ("abx", ordered("abc", C), "abcx"),
        ("ab", ordered("b", {"name": "a", "$patch": "delete"}), "b"),
        ("ab", ordered("ca", C, {"name": "b", "$patch": "delete"}), "ca"),
    ],
)
def test_an_order_arranges_what_it_names_and_leaves_the_rest_by_its_neighbours(
    live: str, patch: Any, names: str
) -> None:
    current = containers(*({"name": name, "image": "i"} for name in live))
    merged = strategic_merge("deployments.apps", current, patch)
    found = merged["spec"]["template"]["spec"]
    assert "".join(item["name"] for item in found["containers"]) == names
    assert found.keys() == {"containers"}


def test_the_order_of_finalizers_is_kept_too() -> None:
    patch = {"metadata": {"$setElementOrder/finalizers": ["c", "a"], "finalizers": ["c"]}}
    merged = strategic_merge("pods", {"metadata": {"finalizers": ["a"]}}, patch)
    assert merged == {"metadata": {"finalizers": ["c", "a"]}}


def test_the_same_field_name_means_another_list_in_another_kind() -> None:
    current = {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]}}
    merged = strategic_merge("services", current, {"spec": {"ports": [{"port": 81, "name": "c"}]}})
    assert merged == {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "c"}]}}
    slice = "endpointslices.discovery.k8s.io"
    assert strategic_merge(slice, {"ports": [{"port": 80}]}, {"ports": [{"port": 81}]}) == {
        "ports": [{"port": 81}]
    }


@pytest.mark.parametrize(
    "patch",
    [
        {"$patch": "remove"},
        containers({"image": "x"}),
        {"spec": {"template": {"spec": {"containers": ["x"]}}}},
        {"$retainKeys": "name"},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": {"a": 1}}},
    ],
)
def test_a_strategic_patch_that_makes_no_sense_is_none(patch: Any) -> None:
    with pytest.raises(BadPatch):
        strategic_merge("deployments.apps", {"metadata": {"finalizers": []}, **containers(A)}, patch)


@given(
    st.dictionaries(st.sampled_from("abc"), JSON, max_size=3), st.dictionaries(st.sampled_from("abc"), JSON)
)
def test_without_directives_and_merged_lists_a_strategic_patch_is_applied_once_and_for_all(
    current: dict[str, Any], patch: dict[str, Any]
) -> None:
    once = strategic_merge("pods", current, patch)
    assert strategic_merge("pods", once, patch) == once


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True))
def test_an_order_never_loses_or_doubles_an_item(live: list[str], order: list[str]) -> None:
    current = containers(*({"name": name} for name in live))
    merged = strategic_merge("deployments.apps", current, ordered("".join(order)))
    names = [item["name"] for item in merged["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == sorted(live)
    assert [name for name in names if name in order] == [name for name in order if name in live]
    unnamed = [name for name in live if name not in order]
    assert [name for name in names if name not in order] == unnamed
