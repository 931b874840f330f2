"""Searches and targets that travel in one request: none of them spoils the answers of the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from parts.http_server import HttpFake, answering, says
from tidegate.base.errors import Malformed, TidegateError, Unreachable
from tidegate.connections import elasticsearch, graphite
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.picking.gjson import Json
from tidegate.kit.question import Question
from tidegate.kit.systems.elasticsearch import Search, SearchServer
from tidegate.kit.systems.graphite import GraphiteServer, LatestPoint

WORDS = ("a", "b", "c")


class Searches:
    def __init__(self, fake: HttpFake, timeout_s: float = 0.5) -> None:
        self.server = SearchServer((fake.origin,), timeout_s=timeout_s)

    def adapter(self) -> Adapter:
        return elasticsearch.connect(self.server, Surroundings())

    def question(self, word: str) -> Question:
        return Search(self.server, ("i",), json.dumps({"word": word}), Json("hits.total.value"))

    @staticmethod
    def words(body: str) -> list[str]:
        return [found for line in body.splitlines() if (found := json.loads(line).get("word"))]

    @staticmethod
    def body(words: Sequence[str], path: str) -> Any:
        many = [
            {"_shards": {"failed": 0}, "hits": {"total": {"value": 7}, "more": more(word)}} for word in words
        ]
        return {"responses": many} if path == "/_msearch" else many[0]


class Targets:
    def __init__(self, fake: HttpFake, timeout_s: float = 0.5) -> None:
        self.server = GraphiteServer(fake.origin)
        self.timeout_s = timeout_s

    def adapter(self) -> Adapter:
        return graphite.connect(self.server, Surroundings(timeout_s=self.timeout_s))

    def question(self, word: str) -> Question:
        return LatestPoint(self.server, "-1min", word)

    @staticmethod
    def words(body: str) -> list[str]:
        return parse_qs(body)["target"]

    @staticmethod
    def body(words: Sequence[str], path: str) -> Any:
        named = [(word, word.partition('"')[2].partition('"')[0]) for word in words]
        return [{"target": name, "datapoints": [[7, 1]], "more": more(word)} for word, name in named]


def more(word: str) -> str:
    return "x" * (33 << 20) if "large" in word else ""


@pytest.mark.parametrize("kind", [Searches, Targets])
async def test_one_whose_answer_is_too_large_fails_alone(kind: Any) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(kind.body(kind.words((await request.read()).decode()), request.path))

    async with answering(answer) as fake:
        made = kind(fake, timeout_s=30)
        adapter = made.adapter()
        asked = [made.question(word) for word in (*WORDS, "large")]
        *good, bad = await adapter.answer(asked)
        assert good == [7, 7, 7]
        assert isinstance(bad, Malformed)
        assert "larger than" in str(bad)
        before = len(fake.requests)
        assert (await adapter.answer(asked))[:3] == [7, 7, 7]
        assert len(fake.requests) == before + 2
        await adapter.close()


@pytest.mark.parametrize("kind", [Searches, Targets])
async def test_a_slow_one_makes_the_others_late_once(kind: Any) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        words = kind.words((await request.read()).decode())
        if any("slow" in word for word in words):
            await asyncio.sleep(60)
        return web.json_response(kind.body(words, request.path))

    async with answering(answer) as fake:
        made = kind(fake)
        adapter = made.adapter()
        asked = [made.question(word) for word in (*WORDS, "slow")]
        with pytest.raises(Unreachable, match="no answer within"):
            await adapter.answer(asked)
        for requests in (4, 2):
            before = len(fake.requests)
            *good, bad = await adapter.answer(asked)
            assert good == [7, 7, 7]
            assert isinstance(bad, Unreachable)
            assert len(fake.requests) == before + requests
        await adapter.close()


@pytest.mark.parametrize("kind", [Searches, Targets])
async def test_a_silent_server_is_not_asked_by_each_in_turn(kind: Any) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    async with answering(answer) as fake:
        made = kind(fake)
        adapter = made.adapter()
        asked = [made.question(f"w{number}") for number in range(80)]
        for requests in (1, 16):
            before = len(fake.requests)
            with pytest.raises(Unreachable):
                await adapter.answer(asked)
            assert len(fake.requests) == before + requests
        await adapter.close()


@pytest.mark.parametrize("body", [{"ok": True}, {}, {"hits": 3}, {"_shards": 1}])
async def test_json_that_is_no_response_to_a_search_is_a_failure_and_not_nothing(body: Any) -> None:
    async with answering(says(body)) as fake:
        made = Searches(fake)
        adapter = made.adapter()
        (got,) = await adapter.answer([made.question("a")])
        await adapter.close()
    assert isinstance(got, TidegateError), got
    assert "no response to a search" in str(got)
    assert "addresses" in str(got)
