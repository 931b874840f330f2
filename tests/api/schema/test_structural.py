import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.api.schema.structural import apply_defaults, prune, validate


def obj(**properties):
    return {"type": "object", "properties": properties}


INT = {"type": "integer"}
TEXT = {"type": "string"}


def array(items, **more):
    return {"type": "array", "items": items, **more}


SHOWS = [
    (
        INT,
        "ten",
        'Invalid value: "ten": x in body must be of type integer: "string"',
        "FieldValueTypeInvalid",
    ),
    (INT, True, 'Invalid value: true: x in body must be of type integer: "boolean"', "FieldValueTypeInvalid"),
    (INT, 1.5, 'Invalid value: 1.5: x in body must be of type integer: "number"', "FieldValueTypeInvalid"),
    (INT, None, 'Invalid value: null: x in body must be of type integer: "null"', "FieldValueTypeInvalid"),
    (TEXT, 5, 'Invalid value: 5: x in body must be of type string: "integer"', "FieldValueTypeInvalid"),
    (
        TEXT,
        {"a": 1},
        'Invalid value: "object": x in body must be of type string: "object"',
        "FieldValueTypeInvalid",
    ),
    (obj(), [], 'Invalid value: "array": x in body must be of type object: "array"', "FieldValueTypeInvalid"),
    (
        {"x-kubernetes-int-or-string": True},
        1.5,
        'Invalid value: 1.5: x in body must be of type integer,string: "number"',
        "FieldValueTypeInvalid",
    ),
    (
        {**INT, "minimum": 1},
        0,
        "Invalid value: 0: x in body should be greater than or equal to 1",
        "FieldValueInvalid",
    ),
    (
        {**INT, "minimum": 0, "exclusiveMinimum": True},
        0,
        "Invalid value: 0: x in body should be greater than 0",
        "FieldValueInvalid",
    ),
    (
        {**INT, "maximum": 3600},
        3601,
        "Invalid value: 3601: x in body should be less than or equal to 3600",
        "FieldValueInvalid",
    ),
    (
        {**INT, "format": "int32"},
        2**31,
        "Invalid value: 2147483648: x in body should be less than or equal to 2147483647",
        "FieldValueInvalid",
    ),
    (
        {**INT, "multipleOf": 5},
        7,
        "Invalid value: 7: x in body should be a multiple of 5",
        "FieldValueInvalid",
    ),
    (
        {**TEXT, "enum": ["a", "b"]},
        "c",
        'Unsupported value: "c": supported values: "a", "b"',
        "FieldValueNotSupported",
    ),
    (
        {**TEXT, "minLength": 1},
        "",
        'Invalid value: "": x in body should be at least 1 chars long',
        "FieldValueInvalid",
    ),
    ({**TEXT, "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes", "FieldValueTooLong"),
    (
        {**TEXT, "pattern": "^[a-z]+$"},
        "A",
        "Invalid value: \"A\": x in body should match '^[a-z]+$'",
        "FieldValueInvalid",
    ),
    (
        {**TEXT, "format": "date-time"},
        "noon",
        'Invalid value: "noon": x in body must be of type date-time: "noon"',
        "FieldValueTypeInvalid",
    ),
    (
        array(INT, minItems=1),
        [],
        "Invalid value: 0: x in body should have at least 1 items",
        "FieldValueInvalid",
    ),
    (array(INT, maxItems=1), [1, 2], "Too many: 2: must have at most 1 items", "FieldValueTooMany"),
    (
        {"type": "object", "maxProperties": 1},
        {"a": 1, "b": 2},
        "Too many: 2: must have at most 1 properties",
        "FieldValueTooMany",
    ),
    (
        {"anyOf": [INT, TEXT]},
        True,
        "Invalid value: true: x in body must validate at least one schema (anyOf)",
        "FieldValueInvalid",
    ),
    (
        {"oneOf": [{"minimum": 1}, {"minimum": 2}]},
        3,
        "Invalid value: 3: x in body must validate one and only one schema (oneOf)",
        "FieldValueInvalid",
    ),
    (
        {"not": {"minimum": 1}},
        3,
        "Invalid value: 3: x in body must not validate the schema (not)",
        "FieldValueInvalid",
    ),
    (
        {"allOf": [{"minimum": 9}]},
        3,
        "Invalid value: 3: x in body should be greater than or equal to 9",
        "FieldValueInvalid",
    ),
]


@pytest.mark.parametrize(("schema", "value", "message", "reason"), SHOWS)
def test_each_rule_says_what_the_api_server_says(schema, value, message, reason):
    (problem,) = validate(schema, value, "x")
    assert (problem.path, problem.message, problem.reason) == ("x", message, reason)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (INT, 5.0),
        ({"type": "number"}, 5),
        ({"type": "number"}, 5.5),
        ({**INT, "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True, "anyOf": [INT, TEXT]}, 1),
        ({"x-kubernetes-int-or-string": True, "anyOf": [INT, TEXT]}, "50%"),
        ({"x-kubernetes-preserve-unknown-fields": True}, [1, None, {"a": 1}]),
        ({**TEXT, "pattern": r"^\p{L}+$"}, "anything"),
        ({**TEXT, "format": "date-time"}, "2026-01-01T00:00:00Z"),
        ({**INT, "format": "int32"}, -(2**31)),
        (obj(), {"unknown": 1}),
    ],
)
def test_what_the_api_server_accepts_is_accepted(schema, value):
    assert validate(schema, value, "x") == []


def test_every_problem_comes_with_its_path():
    schema = obj(
        spec={
            **obj(
                triggers=array(
                    {**obj(metadata={"type": "object", "additionalProperties": TEXT}), "required": ["type"]}
                )
            ),
            "required": ["name"],
        }
    )
    value = {"spec": {"triggers": [{"type": "a"}, {"metadata": {"listLength": 5, "ok": "y", "flag": True}}]}}
    length, flag = "spec.triggers[1].metadata.listLength", "spec.triggers[1].metadata.flag"
    assert [str(problem) for problem in validate(schema, value)] == [
        "spec.name: Required value",
        "spec.triggers[1].type: Required value",
        f'{length}: Invalid value: 5: {length} in body must be of type string: "integer"',
        f'{flag}: Invalid value: true: {flag} in body must be of type string: "boolean"',
    ]


def test_a_long_value_is_cut_in_the_message():
    (problem,) = validate({**TEXT, "enum": ["a"]}, "x" * 500, "x")
    assert len(problem.message) < 200


def test_a_wrong_type_hides_what_else_could_be_said_about_the_value():
    assert len(validate({**INT, "minimum": 1, "enum": [1]}, "ten", "x")) == 1


@pytest.mark.parametrize(
    ("schema", "value", "path"),
    [
        (array(TEXT, **{"x-kubernetes-list-type": "set"}), ["a", "b", "a"], "x[2]"),
        (
            array(obj(), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
            [{"name": "a", "v": 1}, {"name": "a", "v": 2}],
            "x[1]",
        ),
    ],
)
def test_duplicates_in_sets_and_maps_are_named(schema, value, path):
    (problem,) = validate(schema, value, "x")
    assert (problem.path, problem.reason) == (path, "FieldValueDuplicate")


def test_unknown_fields_are_pruned_and_named():
    schema = obj(
        spec=obj(
            known=INT,
            free={
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "properties": {"deep": obj(a=INT)},
            },
            map={"type": "object", "additionalProperties": obj(a=INT)},
            open={"type": "object", "additionalProperties": True},
            list=array(obj(a=INT)),
            empty={"type": "object"},
        )
    )
    value = {
        "apiVersion": "v1",
        "kind": "K",
        "metadata": {"anything": 1},
        "surplus": 1,
        "spec": {
            "known": 1,
            "unknown": {"a": 1},
            "free": {"kept": {"x": 1}, "deep": {"a": 1, "gone": 2}},
            "map": {"k": {"a": 1, "gone": 2}},
            "open": {"kept": {"x": 1}},
            "list": [{"a": 1}, {"a": 1, "gone": 2}],
            "empty": {"gone": 1},
        },
    }
    assert sorted(prune(schema, value)) == [
        "spec.empty.gone",
        "spec.free.deep.gone",
        "spec.list[1].gone",
        "spec.map.k.gone",
        "spec.unknown",
        "surplus",
    ]
    assert value == {
        "apiVersion": "v1",
        "kind": "K",
        "metadata": {"anything": 1},
        "spec": {
            "known": 1,
            "free": {"kept": {"x": 1}, "deep": {"a": 1}},
            "map": {"k": {"a": 1}},
            "open": {"kept": {"x": 1}},
            "list": [{"a": 1}, {"a": 1}],
            "empty": {},
        },
    }


def test_an_embedded_resource_keeps_its_head():
    schema = obj(template={**obj(spec=obj(a=INT)), "x-kubernetes-embedded-resource": True})
    value = {"template": {"apiVersion": "v1", "kind": "K", "metadata": {"x": 1}, "spec": {"a": 1}, "gone": 1}}
    assert prune(schema, value) == ["template.gone"]
    assert value["template"]["metadata"] == {"x": 1}


def test_a_field_called_metadata_is_pruned_like_any_other_below_the_top():
    value = {"apiVersion": "v1", "kind": "K", "spec": {"kind": "x", "metadata": {}}}
    assert prune(obj(spec=obj()), value) == ["spec.kind", "spec.metadata"]


DEFAULTS = obj(
    a={**INT, "default": 3},
    b=obj(c={**TEXT, "default": "d"}),
    e={**obj(c={**TEXT, "default": "d"}), "default": {}},
    n={**INT, "nullable": True, "default": 4},
    m={"type": "object", "additionalProperties": obj(c={**TEXT, "default": "d"})},
    l=array(obj(c={**TEXT, "default": "d"})),
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, {"a": 3, "e": {"c": "d"}, "n": 4}),
        ({"a": 0, "b": {}, "e": {"c": "x"}, "n": 0}, {"a": 0, "b": {"c": "d"}, "e": {"c": "x"}, "n": 0}),
        ({"a": None, "b": None, "e": None, "n": None}, {"a": 3, "e": {"c": "d"}, "n": None}),
        (
            {"m": {"k": {}, "z": None}, "l": [{}, {"c": "x"}]},
            {"a": 3, "e": {"c": "d"}, "n": 4, "m": {"k": {"c": "d"}}, "l": [{"c": "d"}, {"c": "x"}]},
        ),
        ({"unknown": None}, {"a": 3, "e": {"c": "d"}, "n": 4, "unknown": None}),
    ],
)
def test_defaults_fill_what_is_absent_or_null(value, expected):
    apply_defaults(DEFAULTS, value)
    assert value == expected


def test_a_null_in_an_array_stays_and_is_refused():
    schema, value = obj(l=array(INT)), {"l": [None]}
    apply_defaults(schema, value)
    assert [problem.path for problem in validate(schema, value)] == ["l[0]"]


def test_a_default_is_a_copy():
    first: dict = {}
    second: dict = {}
    apply_defaults(DEFAULTS, first)
    apply_defaults(DEFAULTS, second)
    first["e"]["c"] = "changed"
    assert second["e"]["c"] == "d"
    assert DEFAULTS["properties"]["e"]["default"] == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcelmnz"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_pruning_and_defaulting_twice_is_doing_it_once(value):
    prune(DEFAULTS, value)
    apply_defaults(DEFAULTS, value)
    once = copy.deepcopy(value)
    assert prune(DEFAULTS, value) == []
    apply_defaults(DEFAULTS, value)
    assert value == once


@given(JSON)
def test_any_value_is_judged_without_being_changed(value):
    before = copy.deepcopy(value)
    validate(DEFAULTS, value)
    assert value == before
