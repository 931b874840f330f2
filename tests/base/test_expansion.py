import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base.expansion import expand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(A)z", "x1y1z"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$A", "$A"),
        ("$", "$"),
        ("a$$", "a$"),
        ("$(", "$("),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("$(E)", ""),
        ("$(R)", "$(A)"),
    ],
)
def test_references(text, expected):
    assert expand(text, {"A": "1", "E": "", "R": "$(A)"}.get) == expected


@given(st.text(alphabet="$()Ax", max_size=12))
def test_a_doubled_dollar_always_hides_what_follows(text):
    assert expand(text.replace("$", "$$"), {"A": "1"}.get) == text
