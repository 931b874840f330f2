import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base.selectors import (
    Requirement,
    Selector,
    format_label_selector,
    from_label_selector,
    parse_field_selector,
    parse_selector,
)

WEB = {"app": "web", "tier": "front", "cores": "4"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  ", True),
        ("app=web", True),
        ("app==web", True),
        (" app = web , tier = front ", True),
        ("app=web,tier=back", False),
        ("app!=api", True),
        ("missing!=x", True),
        ("app!=web", False),
        ("app in (api, web)", True),
        ("app in (api)", False),
        ("missing in (x)", False),
        ("app notin (api)", True),
        ("missing notin (api)", True),
        ("app notin (web)", False),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("cores>3", True),
        ("cores > 4", False),
        ("cores<5", True),
        ("app>3", False),
        ("missing>3", False),
        ("missing=", False),
        ("in=x", False),
        ("app in (web),!x,cores", True),
    ],
)
def test_label_selector_texts(text, expected):
    assert parse_selector(text).matches(WEB) is expected


def test_an_empty_value_is_a_value():
    assert parse_selector("role=").matches({"role": ""})
    assert parse_selector("role in (,a)").matches({"role": ""})
    assert not parse_selector("role=").matches({"role": "x"})


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("==broken==", "label key"),
        ("app=web,", "label key"),
        (",", "label key"),
        ("app in web", "parentheses"),
        ("app in (web", "not closed"),
        ("app web", 'unexpected "web"'),
        ("app=web)", r'unexpected "\)"'),
        ("a b=c", "unexpected"),
        ("app=-x", "label value"),
        ("-app", "label key"),
        ("!", "label key"),
        ("cores>many", "whole number"),
        ("<none>", "label key"),
    ],
)
def test_what_is_no_selector_gets_its_cause(text, cause):
    with pytest.raises(ValueError, match=cause):
        parse_selector(text)


KEYS = st.from_regex(r"([a-z]{1,5}\.io/)?[A-Za-z][-A-Za-z0-9_.]{0,6}[a-z0-9]", fullmatch=True)
VALUES = st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,6}[A-Za-z0-9])?)?", fullmatch=True)
EXPRESSIONS = st.one_of(
    st.fixed_dictionaries(
        {
            "key": KEYS,
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(VALUES, min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries({"key": KEYS, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
OBJECTS = st.fixed_dictionaries(
    {}, optional={"matchLabels": st.dictionaries(KEYS, VALUES), "matchExpressions": st.lists(EXPRESSIONS)}
)


@given(OBJECTS)
def test_the_text_of_an_object_is_the_same_selector(obj):
    assert parse_selector(format_label_selector(obj)) == from_label_selector(obj)


@given(OBJECTS, st.dictionaries(KEYS, VALUES))
def test_a_selector_matches_exactly_when_all_its_requirements_do(obj, labels):
    selector = from_label_selector(obj)
    expected = all((labels.get(key) == value) for key, value in obj.get("matchLabels", {}).items())
    for one in obj.get("matchExpressions", []):
        has, value = one["key"] in labels, labels.get(one["key"])
        expected = (
            expected
            and {
                "In": has and value in one.get("values", ()),
                "NotIn": not has or value not in one.get("values", ()),
                "Exists": has,
                "DoesNotExist": not has,
            }[one["operator"]]
        )
    assert selector.matches(labels) is expected


def test_nothing_and_everything_are_told_apart():
    assert not from_label_selector(None).matches({})
    assert from_label_selector({}).matches({})
    assert format_label_selector({}) == ""
    assert format_label_selector(None) == "<none>"


@pytest.mark.parametrize(
    ("obj", "cause"),
    [
        ({"matchExpressions": [{"key": "a", "operator": "Near", "values": ["b"]}]}, '"Near"'),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}, "at least one value"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}, "must not have values"),
        ({"matchLabels": {"a": "-"}}, "label value"),
        ({"matchLabels": {"-": "a"}}, "label key"),
    ],
)
def test_what_is_no_label_selector_object_gets_its_cause(obj, cause):
    with pytest.raises(ValueError, match=cause):
        from_label_selector(obj)


def test_requirements_are_ordered_by_key():
    assert parse_selector("b=1,a").requirements == (Requirement("a", "exists"), Requirement("b", "=", ("1",)))
    assert Selector().matches({})


POD = {
    "metadata": {"name": "p", "namespace": "d"},
    "spec": {"hostNetwork": True},
    "status": {"successful": 3},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("metadata.name=p", True),
        ("metadata.name==p,metadata.namespace=d", True),
        ("metadata.name!=p", False),
        ("spec.nodeName=", True),
        ("spec.nodeName!=", False),
        ("spec.hostNetwork=true", True),
        ("status.successful=3", True),
        ("metadata.name.deeper=", True),
    ],
)
def test_field_selector_texts(text, expected):
    assert parse_field_selector(text).matches(POD) is expected


@given(st.text(min_size=0, max_size=12))
def test_an_escaped_field_value_is_read_back(value):
    escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
    selector = parse_field_selector(f"reason={escaped}")
    assert selector.matches({"reason": value})
    assert parse_field_selector(str(selector)) == selector


@pytest.mark.parametrize("text", ["name", "=x", "a=b=c", "a=b\\", "!=x"])
def test_what_is_no_field_selector_is_refused(text):
    with pytest.raises(ValueError, match="not a field selector"):
        parse_field_selector(text)
