"""HTTP against a server of ours: batches, logins, statuses, redirects, and all a network does to us."""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest
import trustme
from aiohttp import web

from parts import faults
from parts.http_server import answering, replying, says
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.http.connection import HttpConnection
from tidegate.connections.http.failures import excerpt
from tidegate.connections.tls_policy import TlsPolicy
from tidegate.kit.picking.exposition import Sample
from tidegate.kit.picking.gjson import Json
from tidegate.kit.picking.xmlpath import Xml
from tidegate.kit.picking.yamlpath import Yaml
from tidegate.kit.systems.http import (
    HttpLogin,
    HttpQuestion,
    HttpRequest,
    HttpServer,
    OAuthClient,
    basic,
    bearer,
)

SECRET = "hunter2-hunter2"

Connect = Callable[..., HttpConnection]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters: `connect(server, timeout_s=…)`; they end with the test."""
    made: list[HttpConnection] = []

    def make(server: HttpServer, **around: Any) -> HttpConnection:
        made.append(HttpConnection(server, Surroundings(**{"timeout_s": 5.0, **around})))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def ask(server: HttpServer, *paths: str, pick: str = "n") -> list[HttpQuestion]:
    return [HttpQuestion(HttpRequest(server, path), Json(pick)) for path in paths]


async def test_a_value_is_picked_out_of_the_answer(connect: Connect) -> None:
    async with answering(says({"a": {"b": [1, {"c": 7}]}})) as fake:
        server = HttpServer(fake.origin)
        assert await connect(server).answer(ask(server, "/x", pick="a.b.1.c")) == [7]
        assert await connect(server).answer(ask(server, "/x", pick="a.nothing")) == [None]


async def test_equal_requests_are_sent_once_whatever_is_picked(connect: Connect) -> None:
    async with answering(says({"a": 1, "b": 2})) as fake:
        server = HttpServer(fake.origin)
        questions = [*ask(server, "/x", pick="a"), *ask(server, "/x", pick="b"), *ask(server, "/y", pick="b")]
        assert await connect(server).answer(questions) == [1, 2, 2]
        assert sorted(fake.paths()) == ["/x", "/y"]


async def test_many_requests_share_few_connections_which_are_kept(connect: Connect) -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.001)
        return web.json_response({"n": int(request.path[1:])})

    async with answering(slowly) as fake:
        server = HttpServer(fake.origin)
        adapter = connect(server)
        for _ in range(3):
            answers = await adapter.answer(ask(server, *(f"/{n}" for n in range(200))))
            assert answers == list(range(200))
        assert (len(fake.requests), fake.most) == (600, 16)
        assert len(fake.connections) == adapter.client.connections == 16


async def test_the_path_goes_out_as_it_was_encoded(connect: Connect) -> None:
    async with answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin, HttpLogin(query=(("api_key", "k&y"),)))
        request = HttpRequest(server, "/a%2Fb?x=%20&api_key=old", (("q", 'up{a="b"} + 1'),))
        assert await connect(server).answer([HttpQuestion(request, Json("n"))]) == [1]
        assert fake.requests[0].rel_url.raw_path_qs == (
            "/a%2Fb?x=%20&q=up%7Ba%3D%22b%22%7D+%2B+1&api_key=k%26y"
        )


async def test_the_login_is_sent_and_counts_more_than_other_headers(connect: Connect) -> None:
    async with answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin, HttpLogin((basic("user", SECRET), ("X-API-KEY", "k"))))
        request = HttpRequest(server, method="POST", headers=(("authorization", "Bearer old"),), body=b"{}")
        await connect(server).answer([HttpQuestion(request, Json("n"))])
        (sent,) = fake.requests
        expected = "Basic " + base64.b64encode(f"user:{SECRET}".encode()).decode()
        assert sent.headers.getall("Authorization") == [expected]
        assert (sent.headers["X-API-KEY"], fake.bodies) == ("k", [b"{}"])
        assert "Content-Type" not in sent.headers


@pytest.mark.parametrize(
    ("status", "kind", "phrase"),
    [
        (400, Malformed, "400 Bad Request"),
        (401, Denied, "401 Unauthorized"),
        (403, Denied, "403 Forbidden"),
        (404, Malformed, "404 Not Found"),
        (500, Unreachable, "500 Internal Server Error; check the query and the parameters, and the log"),
        (502, Unreachable, "502 Bad Gateway; check the server behind the gateway"),
        (304, Malformed, "304 Not Modified"),
        (299, None, ""),
    ],
)
async def test_a_status_that_is_no_answer_fails_alone_with_its_phrase(
    connect: Connect, status: int, kind: type[Exception] | None, phrase: str
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = f"{SECRET} said {SECRET}\x1b[31m\n" + "x" * 500
        if request.path == "/good" or kind is None:
            return web.json_response({"n": 1}, status=200 if request.path == "/good" else status)
        return web.Response(status=status, text="" if status == 304 else body, reason="Because")

    async with answering(answer) as fake:
        server = HttpServer(fake.origin, HttpLogin((bearer(SECRET),)))
        good, bad = await connect(server).answer(ask(server, "/good", "/bad?token=1"))
        assert good == 1
        if kind is None:
            assert bad == 1
            return
        assert isinstance(bad, kind)
        assert f"cannot GET /bad on {fake.origin}: {phrase}" in str(bad)
        assert all(text not in str(bad) for text in (SECRET, "Because", "token", "xxx"))
        if status != 304:
            assert bad.excerpt.startswith("*** said *** [31m xxx")
            assert len(bad.excerpt) == 201


def test_a_secret_that_is_not_set_leaves_nothing_out() -> None:
    assert excerpt(b"no such queue, hunter2", ("", "hunter2")) == "no such queue, ***"


async def test_a_status_may_mean_that_there_is_none(connect: Connect) -> None:
    async with answering(says("no such", 404)) as fake:
        server = HttpServer(fake.origin)
        request = HttpRequest(server, none_at=(404,))
        assert await connect(server).answer([HttpQuestion(request, Json("n"))]) == [None]


async def test_a_server_that_denies_everybody_denies_as_a_whole(connect: Connect) -> None:
    async with answering(says({}, 401)) as fake:
        server = HttpServer(fake.origin)
        with pytest.raises(Denied):
            await connect(server).answer(ask(server, "/a", "/b"))


@pytest.mark.parametrize(
    ("status", "headers", "rest_s"),
    [(429, {"Retry-After": "17"}, 17), (503, {"Retry-After": "17"}, 17), (429, {}, 0)],
)
async def test_a_server_that_asks_for_rest_is_asked_no_more(
    connect: Connect, status: int, headers: dict[str, str], rest_s: float | None
) -> None:
    async with answering(says("busy", status, **headers)) as fake:
        server = HttpServer(fake.origin)
        with pytest.raises(Unreachable) as caught:
            await connect(server).answer(ask(server, *(f"/{n}" for n in range(100))))
        assert caught.value.retry_after_s == rest_s
        assert len(fake.requests) == 16


@pytest.mark.parametrize(("status", "kind"), [(503, Unreachable), (500, Unreachable), (403, Denied)])
async def test_what_one_path_answers_says_nothing_of_the_others(
    connect: Connect, status: int, kind: type[Exception]
) -> None:
    """Many backends may stand behind one host: none of them stops the others' triggers."""
    async with answering(says("busy", status)) as fake:
        server = HttpServer(fake.origin)
        answers = await connect(server).answer(ask(server, *(f"/{n}" for n in range(100))))
        assert {type(one) for one in answers} == {kind}
        assert len(fake.requests) == 100


async def test_one_slow_or_closed_path_is_a_failure_of_its_own(connect: Connect) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/slow":
            await asyncio.sleep(60)
        if request.path == "/login":
            return web.Response(status=401)
        return web.json_response({"n": 1})

    async with answering(answer) as fake:
        server = HttpServer(fake.origin)
        adapter = connect(server, timeout_s=0.2)
        (slow,) = await adapter.answer(ask(server, "/slow"))
        (login,) = await adapter.answer(ask(server, "/login"))
        assert isinstance(slow, Unreachable)
        assert isinstance(login, Denied)
        slow, good, login = await adapter.answer(ask(server, "/slow", "/good", "/login"))
        assert isinstance(slow, Unreachable)
        assert isinstance(login, Denied)
        assert good == 1


async def test_what_was_answered_before_the_server_asked_for_rest_counts(connect: Connect) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/0":
            return web.json_response({"n": 5})
        await asyncio.sleep(0.05)
        return web.Response(status=429, headers={"Retry-After": "9"})

    async with answering(answer) as fake:
        server = HttpServer(fake.origin)
        first, *others = await connect(server).answer(ask(server, *(f"/{n}" for n in range(40))))
        assert first == 5
        assert all(isinstance(one, Unreachable) and one.retry_after_s == 9 for one in others)
        assert len(fake.requests) < 40


async def test_no_credentials_follow_to_another_origin(connect: Connect) -> None:
    async with answering(says({"n": 1})) as other:

        async def away(request: web.Request) -> web.StreamResponse:
            to = f"{other.origin}/there?a=b" if request.path == "/away" else "/away"
            return web.Response(status=302, headers={"Location": to})

        async with answering(away) as fake:
            login = HttpLogin((bearer(SECRET), ("X-Key", SECRET)), query=(("k", SECRET),))
            server = HttpServer(fake.origin, login)
            request = HttpRequest(server, "/here", headers=(("X-Scope", "me"),))
            assert await connect(server).answer([HttpQuestion(request, Json("n"))]) == [1]
            assert all(one.headers["Authorization"] == f"Bearer {SECRET}" for one in fake.requests[:1])
        (sent,) = other.requests
        assert sent.path_qs == "/there?a=b"
        assert SECRET not in str(sent.headers) + sent.path_qs
        assert "X-Scope" not in sent.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_what_is_sent_does_not_follow_to_another_origin(connect: Connect, status: int) -> None:
    async with answering(says({"n": 1})) as other:
        async with answering(says("", status, Location=f"{other.origin}/")) as fake:
            server = HttpServer(fake.origin)
            request = HttpRequest(server, method="POST", body=b"query")
            (answer,) = await connect(server).answer([HttpQuestion(request, Json("n"))])
        assert isinstance(answer, Malformed)
        assert "another server" in str(answer)
        assert other.requests == []


async def test_a_query_that_was_sent_is_not_answered_by_a_page_that_never_got_it(connect: Connect) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/moved":
            return web.Response(status=307, headers={"Location": "/query"})
        is_query = request.path == "/query"
        return web.json_response({"n": len(await request.read())}) if is_query else login(request)

    def login(request: web.Request) -> web.StreamResponse:
        if request.path == "/login":
            return web.json_response({"n": 0})
        return web.Response(status=302, headers={"Location": "/login"})

    async with answering(answer) as fake:
        server = HttpServer(fake.origin)
        sent = [HttpRequest(server, path, method="POST", body=b"query") for path in ("/moved", "/")]
        moved, refused = await connect(server).answer([HttpQuestion(one, Json("n")) for one in sent])
        assert moved == 5
        assert isinstance(refused, Malformed)
        assert "redirects what was sent to another page (302 Found); use the address" in str(refused)
        assert "/login" not in fake.paths()


async def test_a_redirect_that_leads_nowhere_is_the_failure_of_its_request_alone(connect: Connect) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/good":
            return web.json_response({"n": 1})
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/secret?a=hunter2"})

    async with answering(answer) as fake:
        server = HttpServer(fake.origin)
        good, bad = await connect(server).answer(ask(server, "/good", "/bad"))
        assert good == 1
        assert "it redirects to http://127.0.0.1:1: connection refused" in str(bad)
        (bad,) = await connect(server).answer(ask(server, "/bad"))
        assert isinstance(bad, Malformed)
        assert "hunter2" not in str(bad)


@pytest.mark.parametrize("text", ["99999999999", "Wed, 21 Oct 2099 07:28:00 GMT"])
async def test_no_server_is_left_alone_for_longer_than_an_hour(connect: Connect, text: str) -> None:
    async with answering(says("busy", 429, Retry_After=text)) as fake:
        server = HttpServer(fake.origin)
        with pytest.raises(Unreachable, match="in 3600 s") as caught:
            await connect(server).answer(ask(server, "/"))
        assert caught.value.retry_after_s == 3600


async def test_a_circle_of_redirects_ends(connect: Connect) -> None:
    async with answering(says("", 302, Location="/again")) as fake:
        server = HttpServer(fake.origin)
        (answer,) = await connect(server).answer(ask(server, "/"))
        assert "redirects more than 10 times" in str(answer)
        assert len(fake.requests) == 11


async def test_an_answer_that_is_too_large_is_told_and_not_read_to_its_end(connect: Connect) -> None:
    async with answering(says(b"[" + b"1," * (5 << 20) + b"1]")) as fake:
        server = HttpServer(fake.origin)
        (answer,) = await connect(server).answer(ask(server, "/"))
        assert isinstance(answer, Malformed)
        assert "larger than 4 MiB" in str(answer)


@pytest.mark.parametrize("body", ["", "<html>", "[" * 100 + "]" * 100, '{"n": 1', b"\xff\xfe", "nan"])
async def test_an_answer_of_another_kind_is_malformed_and_shows_nothing_of_itself(
    connect: Connect, body: Any
) -> None:
    async with answering(says(body)) as fake:
        server = HttpServer(fake.origin)
        (answer,) = await connect(server).answer(ask(server, "/"))
        assert isinstance(answer, Malformed)
        assert "html" not in str(answer)


async def test_a_server_that_is_down_is_named_and_found_again(connect: Connect) -> None:
    async with answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin)
        adapter = connect(server)
        assert await adapter.answer(ask(server, "/")) == [1]
    for _ in range(2):
        with pytest.raises(Unreachable, match=f"on {server.origin}: connection refused"):
            await adapter.answer(ask(server, *(f"/{n}" for n in range(100)), "/"))
    async with answering(says({"n": 2}), port=fake.port):
        assert await adapter.answer(ask(server, "/")) == [2]


async def test_a_connection_that_the_server_closed_in_between_is_not_noticed(connect: Connect) -> None:
    async with answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin)
        adapter = connect(server)
        for method in ("GET", "POST", "POST"):
            request = HttpRequest(server, method=method, body=b"" if method == "GET" else b"q")
            assert await adapter.answer([HttpQuestion(request, Json("n"))]) == [1]
            for connection in list(fake.connections):
                connection.abort()  # type: ignore[attr-defined]


async def test_a_host_without_an_address_is_named(connect: Connect) -> None:
    server = HttpServer("http://nowhere.invalid:9090", name="Prometheus")
    with pytest.raises(Unreachable, match=r"Prometheus http://nowhere\.invalid:9090: its name does not"):
        await connect(server).answer(ask(server, "/"))


async def test_the_name_is_resolved_before_it_is_dialled(connect: Connect) -> None:
    async with answering(says({"n": 1})) as fake:
        server = HttpServer(f"http://prometheus.shop:{fake.port}")
        adapter = connect(server, resolve=lambda host: "127.0.0.1" if host == "prometheus.shop" else host)
        assert await adapter.answer(ask(server, "/")) == [1]
        assert fake.requests[0].headers["Host"] == f"prometheus.shop:{fake.port}"


async def test_a_server_that_says_nothing_is_given_up_after_one_wave(connect: Connect) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    async with answering(never) as fake:
        server = HttpServer(fake.origin)
        with pytest.raises(Unreachable, match=r"no answer within 0\.1 s"):
            await connect(server, timeout_s=0.1).answer(ask(server, *(f"/{n}" for n in range(100))))
        assert len(fake.requests) == 16


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (b"", Unreachable, "the connection was closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", Unreachable, "ended too early"),
        (b"\x15\x03\x01\x00\x02\x02\x46", Malformed, "not HTTP"),
        (b"+PONG\r\n", Malformed, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n{}", Malformed, "not HTTP"),
    ],
)
async def test_what_is_no_answer_is_told_as_that(
    connect: Connect, reply: bytes, kind: type[Exception], text: str
) -> None:
    async with replying(reply) as origin:
        server = HttpServer(origin)
        try:
            (answer,) = await connect(server).answer(ask(server, "/"))
        except Unreachable as error:
            answer = error
        assert isinstance(answer, kind)
        assert text in str(answer)


async def test_closing_is_safe_before_opening_and_twice(connect: Connect) -> None:
    async with answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin)
        adapter = connect(server)
        await adapter.close()
        assert await adapter.answer(ask(server, "/")) == [1]
        await adapter.close()
        await adapter.close()
        assert await adapter.answer(ask(server, "/")) == [1]


# --- OAuth2


def token_server(issued: list[str], *, is_in_form: bool = False, life: Any = 3600) -> Any:
    async def answer(request: web.Request) -> web.StreamResponse:
        form = parse_qs((await request.read()).decode())
        has_header = (
            request.headers.get("Authorization")
            == "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
        )
        if form.get("client_secret") != [SECRET] if is_in_form else not has_header:
            return web.json_response({"error": "invalid_client"}, status=401)
        issued.append(f"token-{len(issued)}")
        assert form["grant_type"] == ["client_credentials"]
        assert (form["scope"], form["audience"]) == (["a b"], ["x"])
        return web.json_response({"access_token": issued[-1], "expires_in": life})

    return answer


def client_of(origin: str, secret: str = SECRET) -> HttpLogin:
    oauth = OAuthClient(f"{origin}/token", "me", secret, ("a", "b"), (("audience", "x"),))
    return HttpLogin(oauth=oauth)


@pytest.mark.parametrize("is_in_form", [False, True], ids=["header", "form"])
async def test_a_token_is_fetched_once_however_many_wait_for_it(connect: Connect, is_in_form: bool) -> None:
    issued: list[str] = []
    async with (
        answering(token_server(issued, is_in_form=is_in_form)) as tokens,
        answering(says({"n": 1})) as fake,
    ):
        server = HttpServer(fake.origin, client_of(tokens.origin))
        adapter = connect(server)
        for _ in range(3):
            assert await adapter.answer(ask(server, *(f"/{n}" for n in range(50)))) == [1] * 50
        assert {one.headers["Authorization"] for one in fake.requests} == {"Bearer token-0"}
        assert len(tokens.requests) == (2 if is_in_form else 1)


async def test_a_token_is_replaced_before_it_ends_and_when_it_is_refused(connect: Connect) -> None:
    issued: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        is_known = request.headers["Authorization"] != "Bearer token-0"
        return web.json_response({"n": 1}, status=200 if is_known else 401)

    async with answering(token_server(issued)) as tokens, answering(answer) as fake:
        server = HttpServer(fake.origin, client_of(tokens.origin))
        adapter = connect(server)
        (answer,) = await adapter.answer(ask(server, "/"))
        assert isinstance(answer, Denied)
        assert await adapter.answer(ask(server, "/")) == [1]
        assert len(tokens.requests) == 2


async def test_a_token_that_many_were_refused_with_is_replaced_once(connect: Connect) -> None:
    issued: list[str] = []
    refused: set[str] = set()

    async def answer(request: web.Request) -> web.StreamResponse:
        # The last of the first wave hears late that its token is none, when there is another already.
        if request.headers["Authorization"].removeprefix("Bearer ") in refused:
            await asyncio.sleep(0.2 if request.path == "/15" else 0)
            return web.json_response({}, status=401)
        return web.json_response({"n": 1})

    async with answering(token_server(issued)) as tokens, answering(answer) as fake:
        server = HttpServer(fake.origin, client_of(tokens.origin))
        adapter = connect(server)
        assert await adapter.answer(ask(server, "/")) == [1]
        refused.add(issued[0])
        answers = await adapter.answer(ask(server, *(f"/{n}" for n in range(100))))
        assert [isinstance(one, Denied) for one in answers] == [True] * 16 + [False] * 84
        assert await adapter.answer(ask(server, *(f"/{n}" for n in range(100)))) == [1] * 100
        assert len(tokens.requests) == 2


async def test_while_the_token_server_is_away_the_old_token_serves_to_its_end(connect: Connect) -> None:
    issued: list[str] = []
    async with answering(says({"n": 1})) as fake:
        async with answering(token_server(issued, life=2)) as tokens:
            server = HttpServer(fake.origin, client_of(tokens.origin))
            adapter = connect(server)
            assert await adapter.answer(ask(server, "/")) == [1]
        afterwards = 0

        async def ask_until_it_fails() -> None:
            nonlocal afterwards
            while await adapter.answer(ask(server, "/")) == [1]:
                # After the first token there was a request for a second, which found nobody.
                afterwards += adapter.client.requests - len(fake.requests) > 1
                await asyncio.sleep(0.1)

        with pytest.raises(Unreachable, match=f"get an OAuth2 token on token server {tokens.origin}"):
            await asyncio.wait_for(ask_until_it_fails(), 20)
        assert afterwards > 0
        async with answering(token_server(issued), port=tokens.port):
            await asyncio.sleep(1)
            assert await adapter.answer(ask(server, "/")) == [1]


async def test_a_refusal_is_not_told_while_the_old_token_is_good(connect: Connect) -> None:
    issued: list[str] = []
    give = token_server(issued, life=4)

    async def once(request: web.Request) -> web.StreamResponse:
        refusal = web.json_response({"error": "invalid_client"}, status=401)
        return refusal if issued else await give(request)

    async with answering(once) as tokens, answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin, client_of(tokens.origin))
        adapter = connect(server)

        async def ask_until(requests: int) -> None:
            while len(tokens.requests) < requests:
                assert await adapter.answer(ask(server, "/")) == [1]
                await asyncio.sleep(0.05)

        await asyncio.wait_for(ask_until(3), 20)  # one was given, the next refused twice: in header and form
        assert await adapter.answer(ask(server, "/")) == [1]
        assert {one.headers["Authorization"] for one in fake.requests} == {"Bearer token-0"}


async def test_a_token_server_that_does_not_answer_is_named_and_not_the_other(connect: Connect) -> None:
    async with faults.silent() as silent, answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin, client_of(f"http://{silent.address}"), timeout_s=0.5)
        (error,) = await connect(server).answer(ask(server, "/"))
        assert isinstance(error, Unreachable)
        said = f"get an OAuth2 token on token server http://{silent.address}: no answer within 0.4 s"
        assert said in str(error)
        assert fake.requests == []


@pytest.mark.parametrize(
    ("status", "code", "step", "asked"),
    [
        (400, "invalid_scope", " (invalid_scope); check `scopes`", 1),
        (400, "unsupported_grant_type", " (unsupported_grant_type); let the token server allow", 1),
        (401, "unauthorized_client", " (unauthorized_client); check `clientID` and `clientSecret`", 2),
        (400, "hunter2", "; check `clientID`, `clientSecret`, `scopes` and `oauthTokenURI`", 2),
        (401, ["hunter2"], "; check `clientID`, `clientSecret`, `scopes` and `oauthTokenURI`", 2),
    ],
)
async def test_why_no_token_is_given_is_told_where_the_standard_has_a_word_for_it(
    connect: Connect, status: int, code: Any, step: str, asked: int
) -> None:
    async with answering(says({"error": code}, status)) as tokens, answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin, client_of(tokens.origin))
        with pytest.raises(Denied) as caught:
            await connect(server).answer(ask(server, "/1", "/2"))
        assert f"{status} {HTTPStatus(status).phrase}{step}" in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert len(tokens.requests) == asked


async def test_a_short_token_is_used_for_half_its_life(connect: Connect) -> None:
    issued: list[str] = []
    async with answering(token_server(issued, life=0.2)) as tokens, answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin, client_of(tokens.origin))
        adapter = connect(server)
        while len(issued) < 2:
            assert await adapter.answer(ask(server, "/")) == [1]
            await asyncio.sleep(0.02)


async def test_a_client_that_gets_no_token_is_denied_and_asks_once_for_all(connect: Connect) -> None:
    async with answering(token_server([])) as tokens, answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin, client_of(tokens.origin, "hunter2-wrong"))
        with pytest.raises(Denied, match="get an OAuth2 token on token server") as caught:
            await connect(server).answer(ask(server, *(f"/{n}" for n in range(50))))
        assert "hunter2" not in str(caught.value) + caught.value.excerpt
        assert (len(tokens.requests), fake.requests) == (2, [])


# --- addresses

ON_A_CLUSTER = AddressPolicy.on_a_cluster()


async def test_the_autoscalers_own_loopback_is_refused_on_a_cluster(connect: Connect) -> None:
    async with answering(says({"n": 1})) as fake:
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "sneaky.shop"):
            server = HttpServer(f"http://{host}:{fake.port}")
            names = {"sneaky.shop": "127.0.0.1"}
            adapter = connect(server, policy=ON_A_CLUSTER, resolve=lambda host, n=names: n.get(host, host))
            (answer,) = await adapter.answer(ask(server, "/"))
            assert isinstance(answer, Misconfigured), host
            assert "--allow-address" in str(answer)
        assert fake.requests == []


async def test_an_address_that_is_allowed_by_name_is_asked(connect: Connect) -> None:
    async with answering(says({"n": 1})) as fake:
        server = HttpServer(fake.origin)
        policy = AddressPolicy.on_a_cluster(["127.0.0.0/8"])
        assert await connect(server, policy=policy).answer(ask(server, "/")) == [1]


async def test_a_redirect_to_a_refused_address_is_refused(connect: Connect) -> None:
    async with answering(says({"n": 1})) as secret:
        to = f"http://localhost:{secret.port}/"
        async with answering(says("", 302, Location=to)) as fake:
            server = HttpServer(fake.origin)
            policy = AddressPolicy.on_a_cluster(["127.0.0.1"])

            def resolve(host: str) -> str:
                return "127.0.0.2" if host == "localhost" else host

            (answer,) = await connect(server, policy=policy, resolve=resolve).answer(ask(server, "/"))
        assert isinstance(answer, Misconfigured)
        assert "127.0.0.2" in str(answer)
        assert secret.requests == []


# --- bodies that ask for much


@dataclass(frozen=True)
class Where:
    """A pick that finds out in which thread it reads."""

    format: ClassVar[str] = "where"

    @staticmethod
    def read(body: bytes) -> Any:
        return threading.current_thread()

    def of(self, document: Any) -> Any:
        return document


@pytest.mark.parametrize(("size", "is_here"), [(1000, True), (300_000, False)])
async def test_large_bodies_are_read_in_a_thread(connect: Connect, size: int, is_here: bool) -> None:
    async with answering(says("x" * size)) as fake:
        server = HttpServer(fake.origin)
        (thread,) = await connect(server).answer([HttpQuestion(HttpRequest(server), Where())])
        assert (thread is threading.current_thread()) == is_here


HOSTILE = {
    "json": (b"[" + b"[]," * 1_300_000 + b"[]]", Json("#")),
    "yaml": (b"- abcdefgh\n" * 49_000, Yaml("0")),
    "xml": (b"<a>" + b"<b/>" * 99_000 + b"<b>" + b"x" * 3_000_000 + b"</b></a>", Xml("b")),
    "prometheus": (b'a{b="c"} 1\n' * 370_000, Sample("a")),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_body_that_takes_long_to_read_holds_nobody_else_up(connect: Connect, name: str) -> None:
    body, pick = HOSTILE[name]
    is_sent = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/quick":
            return web.json_response({"n": 1})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(body)
        await response.write_eof()
        is_sent.set()
        return response

    async with answering(answer) as fake:
        hostile, other = HttpServer(fake.origin), HttpServer(fake.origin, name="other")
        quick = connect(other)
        await quick.answer(ask(other, "/quick"))
        reading = asyncio.ensure_future(connect(hostile).answer([HttpQuestion(HttpRequest(hostile), pick)]))
        await is_sent.wait()
        assert await quick.answer(ask(other, "/quick")) == [1]
        assert not reading.done()
        (found,) = await reading
        assert not isinstance(found, Exception), found


@pytest.mark.parametrize(
    ("body", "pick"),
    [
        (b"[" * 4_000_000, Json("0")),
        (b'{"n": ' + b"1" * 4_000_000 + b"}", Json("n")),
        (b"{a: " * 200_000, Yaml("a")),
        (b"<a>" * 1_000_000, Xml("a")),
        (b"a" * 4_000_000, Sample("a")),
    ],
    ids=["deep json", "huge number", "deep yaml", "deep xml", "long line"],
)
async def test_a_hostile_body_is_malformed(connect: Connect, body: bytes, pick: Any) -> None:
    async with answering(says(body)) as fake:
        server = HttpServer(fake.origin)
        (found,) = await connect(server).answer([HttpQuestion(HttpRequest(server), pick)])
        assert isinstance(found, Malformed)


# --- proxies


async def test_a_url_is_asked_through_its_proxy_and_a_local_service_is_not(connect: Connect) -> None:
    async with answering(says({"n": 1})) as proxy, answering(says({"n": 2})) as fake:

        def resolve(host: str) -> str:
            return "127.0.0.1" if host == "web.shop" else host

        def proxy_of(url: str) -> str:
            return f"http://me:hunter2@127.0.0.1:{proxy.port}"

        for host, expected in (("web.example", 1), ("web.shop", 2)):
            server = HttpServer(f"http://{host}:{fake.port}", HttpLogin((bearer(SECRET),)))
            adapter = connect(server, resolve=resolve, proxy_of=proxy_of)
            assert await adapter.answer(ask(server, "/x?a=b")) == [expected]
        (sent,) = proxy.requests
        assert sent.raw_path == f"http://web.example:{fake.port}/x?a=b"
        assert sent.headers["Proxy-Authorization"].startswith("Basic ")


async def test_a_refused_address_is_not_asked_through_a_proxy_either(connect: Connect) -> None:
    async with answering(says({"n": 1})) as proxy:
        server = HttpServer("http://169.254.169.254")
        policy = AddressPolicy.on_a_cluster(["127.0.0.1"])
        adapter = connect(server, policy=policy, proxy_of=lambda url: proxy.origin)
        (answer,) = await adapter.answer(ask(server, "/latest/meta-data"))
        assert isinstance(answer, Misconfigured)
        assert proxy.requests == []


async def test_a_proxy_that_refuses_or_is_not_there_is_told_without_its_password(connect: Connect) -> None:
    async with answering(says("no", 407)) as proxy:
        for address in (f"http://me:hunter2@127.0.0.1:{proxy.port}", "http://me:hunter2@127.0.0.1:1"):
            for scheme in ("http", "https"):
                server = HttpServer(f"{scheme}://web.example")
                adapter = connect(server, proxy_of=lambda url, address=address: address)
                with pytest.raises((Denied, Unreachable)) as caught:
                    await adapter.answer(ask(server, "/a", "/b"))
                assert "hunter2" not in str(caught.value) + caught.value.excerpt
                assert "proxy" in str(caught.value)


async def test_an_authority_of_the_administrators_is_trusted_where_the_trigger_names_none(
    connect: Connect,
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    policy = TlsPolicy(authorities=authority.cert_pem.bytes().decode())
    async with answering(says({"n": 7}), tls=tls) as fake:
        server = HttpServer(fake.origin)
        assert await connect(server, tls=policy).answer(ask(server, "/")) == [7]
        with pytest.raises(Unreachable):
            await connect(server).answer(ask(server, "/"))


async def test_without_keep_alive_each_request_has_a_connection_of_its_own(connect: Connect) -> None:
    async with answering(says({"n": 7})) as fake:
        server = HttpServer(fake.origin)
        for keeps_alive, connections in ((True, 1), (False, 3)):
            adapter = connect(server, keeps_alive=keeps_alive)
            fake.connections.clear()
            for _ in range(3):
                await adapter.answer(ask(server, "/"))
            assert len(fake.connections) == connections
