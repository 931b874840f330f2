from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base.times import age, distance, format_micro_time, format_time, parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00+02:00", datetime(2026, 1, 31, 6, tzinfo=UTC)),
        ("2026-01-31T08:00:00-05:30", datetime(2026, 1, 31, 13, 30, tzinfo=UTC)),
        ("2026-01-31T08:00:00.5Z", datetime(2026, 1, 31, 8, 0, 0, 500000, tzinfo=UTC)),
        ("2026-01-31T08:00:00.123456789Z", datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read_as_utc(text, expected):
    assert parse_time(text) == expected
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T08:00:00",
        "2026-01-31 08:00:00Z",
        "20260131T080000Z",
        "2026-13-31T08:00:00Z",
        "2026-02-30T08:00:00Z",
        "2026-01-31T25:00:00Z",
        "0001-01-01T00:00:00+05:00",
    ],
)
def test_other_texts_are_refused_and_named(text):
    with pytest.raises(ValueError, match=f'"{text}"'.replace("+", r"\+")):
        parse_time(text)


@given(
    st.datetimes(datetime(1000, 1, 2), datetime(9998, 1, 1)),
    st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
)
def test_what_is_written_is_read_back_without_its_fraction(wall, zone):
    moment = wall.replace(tzinfo=zone)
    assert parse_time(format_time(moment)) == moment.replace(microsecond=0)


def test_a_moment_without_a_zone_is_not_written():
    with pytest.raises(ValueError, match="time zone"):
        format_time(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="time zone"):
        format_micro_time(datetime(2026, 1, 1))


def test_a_micro_time_has_six_digits_whatever_they_are():
    moment = datetime(2026, 1, 31, 9, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    assert format_micro_time(moment) == "2026-01-31T08:00:05.000000Z"
    assert format_micro_time(moment.replace(microsecond=12)) == "2026-01-31T08:00:05.000012Z"


MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (5.9, "5s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (10 * MINUTE + 5, "10m"),
        (179 * MINUTE, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 5 * MINUTE, "3h5m"),
        (8 * HOUR + 5 * MINUTE, "8h"),
        (47 * HOUR, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 4 * HOUR, "2d4h"),
        (8 * DAY + 4 * HOUR, "8d"),
        (729 * DAY, "729d"),
        (730 * DAY, "2y"),
        (740 * DAY, "2y10d"),
        (8 * 365 * DAY + DAY, "8y"),
    ],
)
def test_ages_have_at_most_two_units(seconds, expected):
    assert age(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "now"),
        (-0.0, "now"),
        (0.4, "now"),
        (1, "in 1 s"),
        (-12, "12 s ago"),
        (119, "in 119 s"),
        (240, "in 4 min"),
        (-3 * HOUR, "3 h ago"),
        (18 * HOUR, "in 18 h"),
        (3 * DAY, "in 3 days"),
    ],
)
def test_a_distance_says_which_way(seconds, expected):
    assert distance(seconds) == expected
