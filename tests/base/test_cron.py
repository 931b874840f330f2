from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.base.cron import Schedule, find_zone, parse_schedule

MINUTE = timedelta(minutes=1)


def moments_by_brute_force(text: str, zone: str, start: datetime, days: int) -> list[datetime]:
    """Every minute of the span is asked by itself; the fields are read here a second time."""
    minute, hour, dom, month, dow = text.split()
    any_day = dom == "*" or dow == "*"
    found, moment, place = [], start, ZoneInfo(zone)
    while moment < start + timedelta(days=days):
        local = moment.astimezone(place)
        by_month = _allows(dom, local.day, 1, 31)
        by_week = _allows(dow, local.isoweekday() % 7, 0, 6)
        is_day = (by_month and by_week) if any_day else (by_month or by_week)
        if (
            is_day
            and local.second == 0
            and _allows(minute, local.minute, 0, 59)
            and _allows(hour, local.hour, 0, 23)
            and _allows(month, local.month, 1, 12)
        ):
            found.append(moment)
        moment += MINUTE
    return found


def _allows(field: str, value: int, low: int, high: int) -> bool:
    for element in field.split(","):
        span, _, step = element.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        end = int(last) if last else (high if step else int(first))
        if int(first) <= value <= end and (value - int(first)) % int(step or 1) == 0:
            return True
    return False


def moments(text: str, zone: str, start: datetime, days: int) -> list[datetime]:
    schedule, found = Schedule.parse(text), []
    moment = schedule.next(start - timedelta(seconds=1), zone)
    while moment is not None and moment < start + timedelta(days=days):
        found.append(moment)
        moment = schedule.next(moment, zone)
    return found


# Three days around changes of the clock: forward, back, by 30 minutes, at midnight, by whole days.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 28, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 3, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 2, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 17, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 3, tzinfo=UTC)),
    ("America/St_Johns", datetime(2005, 10, 29, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 29, tzinfo=UTC)),
    ("UTC", datetime(2026, 2, 27, tzinfo=UTC)),
]
EXPRESSIONS = [
    "30 2 * * *",
    "15 1 * * *",
    "0 0 * * *",
    "1 0 * * *",
    "59 23 * * *",
    "*/20 * * * *",
    "0 */2 * * *",
    "45 1 * * 0",
    "10 0 1,4,18 * 0",
    "0,30 23 * 2-4 6",
    "7/25 1-3 */2 * *",
    "45 1 31 12 *",
]


@pytest.mark.parametrize("zone, start", CHANGES)  # noqa: PT006 - pairs read better so
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_it_fires_as_a_minute_by_minute_search_says(text, zone, start):
    assert moments(text, zone, start, 3) == moments_by_brute_force(text, zone, start, 3)


NUMBERS = st.one_of(st.just("*"), st.just("*/2"), st.integers(0, 6).map(str))
FIELDS = st.tuples(
    st.sampled_from(["0", "30", "*/15", "59", "5-7"]),
    st.sampled_from(["0", "1", "2", "3", "23", "*", "1-3", "*/6"]),
    st.sampled_from(["*", "*/2", "1", "25", "28-31"]),
    st.sampled_from(["*", "3", "4,10", "*/3"]),
    st.sampled_from(["*", "0", "1-5", "*/3"]),
)


@settings(max_examples=40)
@given(FIELDS, st.sampled_from(CHANGES), st.integers(0, 2 * 86400))
def test_any_next_moment_is_the_first_one_a_search_finds(fields, change, offset_s):
    zone, start = change
    text, after = " ".join(fields), start + timedelta(seconds=offset_s)
    day = after.replace(second=0, microsecond=0)
    expected = [m for m in moments_by_brute_force(text, zone, day, 1) if m > after]
    found = Schedule.parse(text).next(after, zone)
    if expected:
        assert found == expected[0]
    else:
        assert found is None or found >= day + timedelta(days=1)


def test_a_skipped_local_time_waits_for_the_next_day():
    found = Schedule.parse("30 2 * * *").next(datetime(2026, 3, 28, 12, tzinfo=UTC), "Europe/Berlin")
    assert found == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)


def test_a_repeated_local_time_fires_twice():
    found = moments("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC), 1)
    assert found == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]


def test_the_next_moment_is_strictly_later():
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    schedule = Schedule.parse("0 12 * * *")
    assert schedule.next(noon, "UTC") == noon + timedelta(days=1)
    assert schedule.next(noon - timedelta(microseconds=1), "UTC") == noon


def test_a_month_away_with_two_clock_changes_between():
    found = Schedule.parse("30 2 1 12 *").next(datetime(2026, 1, 1, tzinfo=UTC), "Europe/Berlin")
    assert found == datetime(2026, 12, 1, 1, 30, tzinfo=UTC)


def test_a_leap_day_is_found_within_five_years_and_a_thirtieth_of_february_never():
    start = datetime(2025, 3, 1, tzinfo=UTC)
    assert Schedule.parse("0 0 29 2 *").next(start, "UTC") == datetime(2028, 2, 29, tzinfo=UTC)
    assert Schedule.parse("0 0 30 2 *").next(start, "Europe/Berlin") is None
    assert Schedule.parse("0 0 29 2 *").next(datetime(2096, 3, 1, tzinfo=UTC), "UTC") is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("0 0 13 * 5", 2),  # neither is a star: the first Friday or the 13th
        ("0 0 13 * *", 13),
        ("0 0 * * 5", 2),
        ("0 0 ? * 5", 2),
        ("0 0 */1 * 5", 2),  # step 1 is still a star
        ("0 0 */2 * 4", 1),  # step 2 is none: an odd day or a Thursday
        ("0 0 */5 * *", 1),
    ],
)
def test_how_day_of_month_and_day_of_week_combine(text, day):
    new_year = datetime(2025, 12, 31, 23, 59, tzinfo=UTC)  # 2026-01-01 is a Thursday
    assert Schedule.parse(text).next(new_year, "UTC") == datetime(2026, 1, day, tzinfo=UTC)


def test_names_are_read_in_any_case():
    assert Schedule.parse("0 0 * JAN-mar Sun,SAT") == Schedule.parse("0 0 * 1-3 0,6")


def test_empty_elements_are_skipped():
    assert Schedule.parse(",5,,6, 0 * * *").minutes == {5, 6}


def test_a_zone_prefix_wins_over_the_zone_given():
    schedule = Schedule.parse("CRON_TZ=Asia/Tokyo 0 9 * * *")
    assert schedule == Schedule.parse("TZ=Asia/Tokyo 0 9 * * *")
    assert schedule.next(datetime(2026, 1, 1, 1, tzinfo=UTC), "UTC") == datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("name", ["UTC", "Local", ""])
def test_local_and_empty_mean_utc(name):
    assert find_zone(name).key == "UTC"


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "/etc/passwd", "America", "a\0b"])
def test_an_unknown_zone_is_named(name):
    with pytest.raises(ValueError, match="unknown time zone"):
        find_zone(name)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "expected 5 fields"),
        ("* * * *", "found 4"),
        ("0 * * * * *", "found 6"),
        ("@daily", "expected 5 fields"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * 32 * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * foo *", "month"),
        ("0 0 * * 7", "day of week"),
        ("0 0 * * sunday", "day of week"),
        ("jan * * * *", "minute"),
        ("5-1 * * * *", "must rise"),
        ("-1 * * * *", "minute"),
        ("*/0 * * * *", "step"),
        ("*/x * * * *", "step"),
        ("1-2-3 * * * *", "minute"),
        ("1/2/3 * * * *", "step"),
        ("0 0 L * *", "day of month"),
        ("0 0 * * 5#2", "day of week"),
        ("TZ=Mars/Olympus 0 0 * * *", "unknown time zone"),
    ],
)
def test_other_dialects_are_refused_with_the_field(text, cause):
    with pytest.raises(ValueError, match=cause):
        Schedule.parse(text)


def test_a_field_of_nothing_but_commas_never_fires():
    assert Schedule.parse(", * * * *").next(datetime(2026, 1, 1, tzinfo=UTC), "UTC") is None


@pytest.mark.parametrize(
    ("text", "after", "moment"),
    [
        ("@hourly", "2026-01-05T08:10:00", "2026-01-05T09:00:00"),
        ("@daily", "2026-01-05T08:10:00", "2026-01-06T00:00:00"),
        ("@midnight", "2026-01-05T08:10:00", "2026-01-06T00:00:00"),
        ("@weekly", "2026-01-05T08:10:00", "2026-01-11T00:00:00"),
        ("@monthly", "2026-01-05T08:10:00", "2026-02-01T00:00:00"),
        ("@yearly", "2026-01-05T08:10:00", "2027-01-01T00:00:00"),
        ("@every 1h30m", "2026-01-05T08:10:07", "2026-01-05T09:40:07"),
        ("TZ=Asia/Tokyo @daily", "2026-01-05T08:10:00", "2026-01-05T15:00:00"),
        ("5 * * * *", "2026-01-05T08:10:00", "2026-01-05T09:05:00"),
    ],
)
def test_the_shorthands_of_kubernetes(text, after, moment):
    begin = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert parse_schedule(text).next(begin, "") == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["@often", "@every 5", "@every", "@every x", "* * *"])
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_schedule(text)
