"""What all triggers over HTTP with a table of their own meet alike: bad servers, others, and their cost."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.http_server import Answer, answering, replying, says
from parts.http_trigger import SECRET, HttpCase, asking
from parts.one_round import one_round
from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable

TABLES = Path(__file__).parents[1] / "scalers"


@functools.cache
def cases() -> dict[str, HttpCase]:
    """The cases in the triggers' own tables, by name."""
    found: dict[str, HttpCase] = {}
    for path in sorted(TABLES.glob("test_*.py")):
        if "HttpCase" not in path.read_text():
            continue
        spec = importlib.util.spec_from_file_location(f"http_case_of_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, one in vars(module).items():
            if isinstance(one, HttpCase):
                found[f"{one.kind}-{name.lower().removeprefix('http')}".rstrip("-_")] = one
    return found


@pytest.fixture(params=sorted(cases()))
def case(request: pytest.FixtureRequest) -> HttpCase:
    return cases()[request.param]


async def outcome(case: HttpCase, origin: str, patient_s: float = 10.0) -> Any:
    async with asking(patient_s) as ask:
        return await ask(case.build(origin))


def told(error: Any, kind: type[TidegateError] = TidegateError) -> str:
    assert isinstance(error, kind), error
    assert SECRET not in f"{error} {error.excerpt}"
    return str(error)


async def test_what_its_server_answers_is_its_value(case: HttpCase) -> None:
    async with answering(case.answer) as fake:
        (value,) = (await one_round([case.build(fake.origin)])).values
        assert value == case.value
        assert len(fake.requests) == case.requests


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(case: HttpCase, fault: Any) -> None:
    async with fault() as bad:
        error = await outcome(case, f"http://{bad.address}", 0.3)
    assert bad.address in told(error, Unreachable)


async def test_a_name_that_does_not_resolve_is_told(case: HttpCase) -> None:
    error = await outcome(case, f"http://{faults.NOWHERE}:1")
    assert "does not resolve" in told(error, Unreachable)


async def test_tls_to_a_plain_port_is_told(case: HttpCase) -> None:
    async with answering(case.answer) as fake:
        error = await outcome(case, fake.origin.replace("http:", "https:"))
    assert "TLS failed" in told(error, Unreachable)


@pytest.mark.parametrize("status", [401, 403])
async def test_who_is_not_let_in_is_told_so(case: HttpCase, status: int) -> None:
    body = {"error": f"no {SECRET}", "message": SECRET}
    async with answering(says(body, status)) as fake:
        error = await outcome(case, fake.origin)
    assert str(status) in told(error, Denied)


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 502, 503])
async def test_a_refusal_is_a_failure_and_its_text_stays_where_it_is(case: HttpCase, status: int) -> None:
    body = {"error": "never shown", "errors": [{"message": "never shown"}], "messages": [{"text": "x"}]}
    async with answering(says(body, status)) as fake:
        error = await outcome(case, fake.origin)
    assert "never shown" not in told(error)


STRANGE: tuple[Any, ...] = (
    "<html><body>Sign in</body></html>",
    "",
    "{",
    "null",
    "[]",
    "{}",
    "7",
    {"hello": "world"},
    [{"hello": "world"}],
    {"status": "success", "data": {"result": [{"value": [1, "7"]}]}},
)


@pytest.mark.parametrize("body", STRANGE, ids=range(len(STRANGE)))
async def test_an_answer_of_another_kind_is_a_failure_and_never_a_number(case: HttpCase, body: Any) -> None:
    if str(body) in case.zero_at:
        pytest.skip("a zero by a rule of its page")
    async with answering(says(body)) as fake:
        told(await outcome(case, fake.origin))


async def test_half_an_answer_and_one_that_is_none_are_failures(case: HttpCase) -> None:
    half = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"result": ['
    for reply in (half, b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n"):
        async with replying(reply) as origin:
            told(await outcome(case, origin))


async def test_ten_megabytes_are_not_read_as_a_number(case: HttpCase) -> None:
    async with faults.huge(b'{"result": ["', b'"]}') as bad:
        told(await outcome(case, f"http://{bad.address}"))


async def test_after_a_restart_the_next_question_is_answered(case: HttpCase) -> None:
    async with asking() as ask:
        async with answering(case.answer) as first:
            trigger, port = case.build(first.origin), first.port
            assert await ask(trigger) == case.value
        told(await ask(trigger), Unreachable)
        async with answering(case.answer, port=port):
            assert await ask(trigger) == case.value


async def test_a_server_that_mends_itself_is_believed_at_once(case: HttpCase) -> None:
    is_broken = True

    async def sometimes(request: web.Request) -> web.StreamResponse:
        answer: Answer = says("no", 500) if is_broken else case.answer
        return await answer(request)

    async with answering(sometimes) as fake, asking() as ask:
        trigger = case.build(fake.origin)
        told(await ask(trigger), Unreachable)
        is_broken = False
        assert await ask(trigger) == case.value


async def test_a_thousand_equal_triggers_ask_as_much_as_one(case: HttpCase) -> None:
    async with answering(case.answer) as fake:
        round = await one_round([case.build(fake.origin) for _ in range(1000)])
        assert round.values == [case.value] * 1000
        assert len(fake.requests) == case.requests


async def test_two_hundred_different_triggers_ask_as_their_page_says(case: HttpCase) -> None:
    if case.another is None:
        pytest.skip("its table says nothing of others")
    async with answering(case.answer) as fake:
        triggers = [case.build(fake.origin, **case.another(number)) for number in range(200)]
        round = await one_round(triggers)
        assert round.values == [case.value] * 200
        assert len(fake.requests) == case.apart
        assert len(fake.connections) <= 16
        assert fake.most <= 16


def test_there_are_cases() -> None:
    assert len(cases()) >= 4
    assert Malformed.kind == "Malformed"
