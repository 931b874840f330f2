"""From offsets to a number: what each partition counts, and how the sum is shaped and capped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.kit.systems.kafka import LagRules, PartitionOffsets, lag, partition_lag
from tidegate.kit.systems.kafka_settings import partition_ranges


def at(committed: int, end: int, *, start: int | None = None, unmoved_s: float = 0.0) -> PartitionOffsets:
    return PartitionOffsets("orders", 0, committed, end, start, unmoved_s)


LATEST = LagRules(10)
EARLIEST = LagRules(10, is_latest=False)
ZERO_LATEST = LagRules(10, is_zero_without_commit=True)
ZERO_EARLIEST = LagRules(10, is_latest=False, is_zero_without_commit=True)
PERSISTENT = LagRules(10, persistent_s=27.0)


@pytest.mark.parametrize(
    ("one", "rules", "wanted", "there"),
    [
        (at(3, 10), LATEST, 7, 7),
        (at(10, 10), LATEST, 0, 0),
        (at(0, 10), LATEST, 10, 10),
        (at(-1, 10), LATEST, 1, 1),
        (at(-1, 0), LATEST, 1, 1),
        (at(-1, 10), ZERO_LATEST, 0, 0),
        (at(-1, 10), EARLIEST, 10, 10),
        (at(-1, 10, start=4), EARLIEST, 6, 6),
        (at(-1, 10, start=4), ZERO_EARLIEST, 0, 0),
        # The topic was made anew, so the commit is beyond its end.
        (at(50, 10), LATEST, 0, 0),
        (at(50, 10, start=4), EARLIEST, 6, 6),
        (at(3, 10), PERSISTENT, 7, 7),
        (at(3, 10, unmoved_s=26.9), PERSISTENT, 7, 7),
        (at(3, 10, unmoved_s=27.0), PERSISTENT, 0, 7),
        (at(3, 10, unmoved_s=600.0), LATEST, 7, 7),
        (at(-1, 10, unmoved_s=600.0), PERSISTENT, 1, 1),
    ],
)
def test_what_a_partition_counts(one: PartitionOffsets, rules: LagRules, wanted: int, there: int) -> None:
    assert partition_lag(one, rules) == (wanted, there)


def lags(*each: int) -> tuple[PartitionOffsets, ...]:
    return tuple(PartitionOffsets("orders", n, 0, end) for n, end in enumerate(each))


IDLE = LagRules(10, allow_idle=True)
LIMITED = LagRules(10, limit_to_lag=True)
EVEN = LagRules(10, ensure_even=True)


@pytest.mark.parametrize(
    ("partitions", "rules", "total"),
    [
        ((), LATEST, 0),
        (lags(4, 5), LATEST, 9),
        (lags(15, 14), LATEST, 29),
        # Capped by whole division: 29 // 10 is 2, not above 2 partitions.
        (lags(20, 10), LATEST, 20),
        (lags(500, 500), LATEST, 20),
        (lags(500, 500), IDLE, 1000),
        (lags(500, 0, 0), LIMITED, 10),
        (lags(5, 0, 0), LIMITED, 5),
        (lags(0, 0, 0), LIMITED, 0),
        (lags(0, 0, 0, 0), EVEN, 10),
        (lags(25, 0, 0, 0), EVEN, 40),
        (lags(20, 0, 0, 0), EVEN, 20),
        (lags(900, 0, 0, 0), EVEN, 40),
        (lags(35, 0, 0, 0, 0, 0), EVEN, 60),
        (lags(35, 0, 0, 0, 0, 0), LagRules(10, allow_idle=True, ensure_even=True), 60),
        (lags(35, 0, 0, 0, 0, 0), LagRules(10, limit_to_lag=True, ensure_even=True), 10),
    ],
)
def test_how_the_sum_is_shaped(partitions: tuple[PartitionOffsets, ...], rules: LagRules, total: int) -> None:
    assert lag(partitions, rules).total == total


def test_activity_looks_at_all_the_lag_there_is() -> None:
    stuck = tuple(PartitionOffsets("orders", n, 0, 500, None, 60.0) for n in range(2))
    assert (lag(stuck, PERSISTENT).total, lag(stuck, PERSISTENT).raw) == (0, 1000)
    assert lag(lags(500, 500), LATEST).raw == 1000


@given(st.lists(st.integers(0, 10**6), max_size=20), st.integers(1, 1000), st.booleans(), st.booleans())
def test_there_is_never_more_than_a_replica_for_each_partition(
    each: list[int], threshold: int, limit: bool, even: bool
) -> None:
    found = lag(lags(*each), LagRules(threshold, limit_to_lag=limit, ensure_even=even))
    assert found.total // threshold <= len(each)
    assert found.raw == sum(each)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ((), ()),
        (("1",), ((1, 1),)),
        (("1", "2", "10-20"), ((1, 1), (2, 2), (10, 20))),
        (("10 - 20",), ((10, 20),)),
        (("0-2000000000",), ((0, 2000000000),)),
        (("5-3",), ((5, 3),)),
    ],
)
def test_partitions_are_told_as_numbers_and_ranges(text: tuple[str, ...], ranges: tuple[object, ...]) -> None:
    assert partition_ranges(text) == ranges


@pytest.mark.parametrize("item", ["", "a", "1-2-3", "-1", "1-", "1.5", "٣"])
def test_what_is_no_range_is_told(item: str) -> None:
    with pytest.raises(ValueError, match="is neither a number nor a range"):
        partition_ranges((item,))
