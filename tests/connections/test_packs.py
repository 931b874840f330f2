"""Adapters whose servers answer many questions at once: who travels with whom, and who is asked alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import TooLarge
from tidegate.connections.http.packs import Found, PackedConnection, Spoilt
from tidegate.kit.systems.http import HttpServer

SERVER = HttpServer("http://nowhere.invalid")


@dataclass(frozen=True)
class Name:
    """A question; its text says what becomes of it in `Names`."""

    text: str
    server: HttpServer = SERVER


class Names(PackedConnection):
    """Answers a name with its length; `asked` are the parts it was asked for. `problems` are by name."""

    kinds = (Name,)
    at_once = 3
    longest = 100

    def __init__(self, concurrency: int = 16) -> None:
        super().__init__(SERVER, Surroundings(), concurrency=concurrency)
        self.asked: list[str] = []
        self.problems: dict[str, BaseException] = {}

    def length(self, question: Name) -> int:
        return len(question.text)

    async def packed(self, questions: Sequence[Name]) -> Found:
        self.asked.append(",".join(one.text for one in questions))
        for one in questions:
            problem = self.problems.get(one.text)
            if problem is not None and (len(questions) > 1 or not isinstance(problem, Spoilt)):
                raise problem
            if problem is not None:
                return {one: Malformed("read", answer="bad")}
        return {one: len(one.text) for one in questions}

    async def told(self, *texts: str) -> list[object]:
        self.asked.clear()
        return list(await self.answer([Name(one) for one in texts]))


async def test_questions_travel_in_parts_and_equal_ones_once() -> None:
    names = Names()
    assert await names.told("a", "bb", "a", "ccc", "dddd") == [1, 2, 1, 3, 4]
    assert names.asked == ["a,bb,ccc", "dddd"]
    assert await names.told("x" * 60, "y" * 60, "z") == [60, 60, 1]
    assert names.asked == ["x" * 60, f"{'y' * 60},z"]


@pytest.mark.parametrize("problem", [Spoilt(), TooLarge("read")])
async def test_one_that_spoils_a_part_is_asked_alone_until_it_is_answered(problem: BaseException) -> None:
    names = Names()
    names.problems["b"] = problem
    for asked in (["a,b,c", "a", "b", "c"], ["b", "a,c"]):
        first, second, third = await names.told("a", "b", "c")
        assert (first, third) == (1, 1)
        assert isinstance(second, Malformed)
        assert names.asked == asked
    names.problems.clear()
    assert await names.told("a", "b", "c") == [1, 1, 1]
    assert names.asked == ["b", "a,c"]
    assert await names.told("a", "b", "c") == [1, 1, 1]
    assert names.asked == ["a,b,c"]


async def test_what_can_never_travel_with_others_stays_alone() -> None:
    names = Names()
    names.apart.add(Name("b"))
    for _ in range(2):
        assert await names.told("a", "b", "c") == [1, 1, 1]
        assert names.asked == ["b", "a,c"]


async def test_a_part_that_is_late_is_asked_one_by_one_next_time() -> None:
    names = Names()
    late = failures.Late("read", answer="late")
    names.problems["b"] = late
    assert await names.told("a", "b", "c", "d") == [late, late, late, 1]
    first, second, third, fourth = await names.told("d", "a", "b", "c")
    assert (first, second, third, fourth) == (1, 1, late, 1)
    assert sorted(names.asked) == ["a", "b", "c", "d"]
    names.problems.clear()
    assert await names.told("a", "b", "c") == [1, 1, 1]
    assert sorted(names.asked) == ["a,c", "b"]
    await names.told("a", "b", "c")
    assert names.asked == ["a,b,c"]


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (failures.Down("read", answer="refused"), Unreachable),
        (failures.Unauthorized("read", answer="401"), Denied),
    ],
)
async def test_where_nobody_is_served_the_rest_is_not_asked(
    problem: TidegateError, kind: type[TidegateError]
) -> None:
    names = Names(concurrency=1)
    names.problems["a"] = problem
    with pytest.raises(kind):
        await names.told(*"abcdefghi")
    assert names.asked == ["a,b,c"]
    names.problems.clear()
    assert await names.told(*"abc") == [1, 1, 1]


async def test_a_server_that_wants_rest_is_left_alone() -> None:
    names = Names(concurrency=1)
    rest = Unreachable("read", answer="429", retry_after_s=30)
    names.problems["d"] = rest
    assert await names.told(*"abcdefghi") == [1, 1, 1, *[rest] * 6]
    assert names.asked == ["a,b,c", "d,e,f"]


async def test_a_part_that_fails_fails_for_its_own() -> None:
    names = Names(concurrency=1)
    odd = Malformed("read", answer="odd")
    names.problems["b"] = odd
    assert await names.told(*"abcd") == [odd, odd, odd, 1]
    assert names.asked == ["a,b,c", "d"]
