"""Merge patches: the laws that make writing the least of it safe."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tidegate.kube.merge import apply, changes, difference, guarded

names = st.sampled_from("abc")
lists = st.lists(st.booleans() | st.integers(0, 1), max_size=2)
leaves = st.booleans() | st.integers(0, 2) | st.text("x", max_size=1) | lists


def trees(leaf):
    return st.dictionaries(
        names, st.recursive(leaf, lambda below: st.dictionaries(names, below), max_leaves=6)
    )


def text(tree):
    """For comparing as JSON does: true is not 1."""
    return json.dumps(tree, sort_keys=True)


objects = trees(leaves)
patches = trees(leaves | st.none())


@given(objects, objects)
def test_applying_the_difference_gives_what_was_wanted(current, wanted):
    assert text(apply(current, difference(current, wanted))) == text(wanted)


@given(objects)
def test_nothing_to_do_is_an_empty_patch(current):
    assert difference(current, current) == {}


@given(objects, patches)
def test_the_part_that_changes_something_does_the_same_and_then_changes_nothing(current, patch):
    after = apply(current, patch)
    assert text(apply(current, changes(current, patch))) == text(after)
    assert changes(after, patch) == {}


@given(objects, patches)
def test_a_patch_that_changes_nothing_is_empty_and_one_that_changes_something_is_not(current, patch):
    assert (changes(current, patch) == {}) == (text(apply(current, patch)) == text(current))


@given(objects, patches)
def test_applying_leaves_its_inputs_alone(current, patch):
    before = (repr(current), repr(patch))
    apply(current, patch)
    assert (repr(current), repr(patch)) == before


def test_a_guard_keeps_the_rest_of_the_metadata():
    patch = {"metadata": {"annotations": {"a": "1"}}, "spec": {}}
    assert guarded(patch, "7") == {
        "metadata": {"annotations": {"a": "1"}, "resourceVersion": "7"},
        "spec": {},
    }
    assert "resourceVersion" not in patch["metadata"]
