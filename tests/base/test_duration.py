import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("2h", 7200.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("300ms", 0.3),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1μs", 1e-6),
        ("1ns", 1e-9),
        ("+5s", 5.0),
        ("0", 0.0),
        ("30", 0.03),
        ("1000", 1.0),
        ("1s1h", 3601.0),
    ],
)
def test_go_durations_and_bare_milliseconds(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "is not a duration"),
        ("s", "is not a duration"),
        ("1.5", "is not a duration"),
        ("1 s", "is not a duration"),
        ("1d", "is not a duration"),
        ("1s2", "is not a duration"),
        ("-", "is not a duration"),
        (".s", "is not a duration"),
        ("-1s", "is negative"),
        ("-5", "is negative"),
        ("9999999h", "is longer than 292 years"),
        ("9" * 100_000, "is longer than 292 years"),
        ("9" * 100_000 + "s", "is longer than 292 years"),
        ("1ns" * 100_000, "too exact"),
    ],
)
def test_other_texts_are_refused_with_their_cause(text, cause):
    with pytest.raises(ValueError, match=cause):
        parse_duration(text)


@given(st.integers(0, 500), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_the_parts_add_up(hours, minutes, seconds, millis):
    expected = hours * 3600 + minutes * 60 + seconds + millis / 1000
    assert parse_duration(f"{hours}h{minutes}m{seconds}s{millis}ms") == pytest.approx(expected, abs=1e-9)
