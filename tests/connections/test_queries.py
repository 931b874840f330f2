"""What the adapters of databases share, in virtual time: what is slow rests, and holds nobody up twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from parts import virtualtime
from parts.virtualtime import VirtualClock
from tidegate.base.errors import Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.queries import Cut, Found, QueryConnection, TooSlow, too_slow
from tidegate.kit.systems.postgresql import PostgresqlServer
from tidegate.kit.systems.sql import SqlQuery

SERVER = PostgresqlServer((("host", "db"),))


class Database(QueryConnection):
    """Answers a query with its number of signs; `slow` ones are stopped, `fatal` ones cut the connection."""

    def __init__(self) -> None:
        super().__init__(SERVER, Surroundings(queries_s=9.0))
        self.slow: set[str] = set()
        self.fatal: set[str] = set()
        self.asked: list[str] = []

    async def close(self) -> None:
        pass

    async def _open(self) -> None:
        self.connections += 1

    async def _ask(self, questions: Sequence[Any], found: Found) -> None:
        for one in questions:
            self.asked.append(one.statement)
            if one.statement in self.fatal:
                raise Cut("ask", on="db", answer="the connection was closed")
            if one.statement in self.slow:
                await asyncio.sleep(self.statement_s)
                found[one] = too_slow("db", self.statement_s)
            else:
                found[one] = len(one.statement)


async def asked(database: Database, *statements: str) -> list[Any]:
    database.asked = []
    return list(await database.answer([SqlQuery(SERVER, one) for one in statements]))


def test_what_was_slow_rests_twice_as_long_each_time_and_comes_last_then() -> None:
    async def story(clock: VirtualClock) -> None:
        database = Database()
        database.slow = {"slow"}
        first, quick = await asked(database, "slow", "quick")
        assert (type(first), quick) == (TooSlow, 5)
        assert database.asked == ["slow", "quick"]
        for rest_s in (18, 36, 72, 144, 288, 300, 300):
            await clock.sleep(rest_s - 1)
            assert await asked(database, "slow", "quick") == [first, 5]
            assert database.asked == ["quick"]
            await clock.sleep(1)
            (first, quick) = await asked(database, "slow", "quick")
            assert database.asked == ["quick", "slow"]
            assert (type(first), quick) == (TooSlow, 5)
        database.slow = set()
        await clock.sleep(300)
        assert await asked(database, "slow", "quick") == [4, 5]
        assert await asked(database, "slow", "quick") == [4, 5]
        assert database.asked == ["slow", "quick"]

    virtualtime.run(story)


def test_of_several_slow_ones_each_list_gets_further() -> None:
    async def story(clock: VirtualClock) -> None:
        database = Database()
        database.slow = {"a", "bb", "ccc"}
        got = await asked(database, "a", "bb", "ccc", "quick")
        assert [type(one) for one in got] == [TooSlow, TooSlow, Unreachable, Unreachable]
        got = await asked(database, "a", "bb", "ccc", "quick")
        assert [type(one) for one in got] == [TooSlow, TooSlow, TooSlow, int]
        assert database.asked == ["ccc", "quick"]

    virtualtime.run(story)


def test_one_that_cuts_the_connection_harms_itself_alone() -> None:
    async def story(clock: VirtualClock) -> None:
        database = Database()
        database.fatal = {"fatal"}
        got = await asked(database, "a", "fatal", "bb")
        assert [one if isinstance(one, int) else type(one) for one in got] == [1, Cut, 2]
        assert database.asked == ["a", "fatal", "bb", "fatal"]
        assert (await asked(database, "fatal", "bb"))[1] == 2
        assert database.asked == ["bb"]

    virtualtime.run(story)
