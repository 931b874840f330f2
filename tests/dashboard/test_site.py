"""The dashboard's server as any program on this machine may talk to it."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
import pytest

from parts.shown_objects import TOKEN, Shown, defect, entry, shown
from tidegate.base.errors import Unreachable
from tidegate.dashboard.entrance import Entrance
from tidegate.dashboard.sharing import KEPT_S
from tidegate.kube.resource import ApiError
from tidegate.runtime.clock import SystemClock

pytestmark = pytest.mark.real

WEB = "scaledobjects/shop/web"
PATHS = (
    "/api/overview", f"/api/objects/{WEB}", f"/api/pods/{WEB}", f"/api/logs/{WEB}/worker-1/main", "/main.js",
    "/api/nothing", "/nothing",
)  # fmt: skip


def visitor(port: int) -> dict[str, str]:
    """The headers of a browser that has opened the link."""
    return {"Cookie": f"tidegate-dashboard-{port}={Entrance(lambda: TOKEN).cookie()}"}


async def ask(
    port: int, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> tuple[int, str, Mapping[str, str]]:
    url = f"http://127.0.0.1:{port}{path}"
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(method, url, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status, await answer.text(), answer.headers


async def test_the_link_gives_a_cookie_that_scripts_cannot_read_and_goes_on_without_the_token() -> None:
    async with shown(Shown([entry()])) as port:
        status, body, headers = await ask(port, f"/?token={TOKEN}")
        assert (status, TOKEN in body) == (200, False)
        assert 'content="0; url=/"' in body
        cookie = headers["Set-Cookie"]
        name, _, rest = cookie.partition("=")
        value, *attributes = [one.strip() for one in rest.split(";")]
        assert name == f"tidegate-dashboard-{port}"
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
        assert not any(one.startswith(("Domain", "Max-Age", "Expires")) for one in attributes)
        assert TOKEN not in cookie
        status, body, _ = await ask(port, "/", headers={"Cookie": f"{name}={value}"})
        assert (status, "main.js" in body) == (200, True)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
async def test_another_token_gives_nothing(token: str) -> None:
    async with shown(Shown([entry()])) as port:
        status, body, headers = await ask(port, f"/?token={token}")
        assert (status, "not the token" in body, "Set-Cookie" in headers) == (403, True, False)


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_cookie_nothing_is_told_or_asked(path: str) -> None:
    view = Shown([entry("a-name-that-nobody-sees")])
    async with shown(view) as port:
        for headers in (
            {},
            {"Cookie": f"tidegate-dashboard-{port}=wrong"},
            {"Authorization": f"Bearer {TOKEN}"},
        ):
            status, body, _ = await ask(port, path, headers=headers)
            assert (status, "nobody-sees" in body) == (401, False)
        status, body, _ = await ask(port, "/")
        assert (status, 'name="token"' in body) == (401, True)
    assert view.asked == []


async def test_a_changed_token_ends_all_visits() -> None:
    token = TOKEN
    async with shown(Shown([entry()]), token=lambda: token) as port:
        headers = visitor(port)
        assert (await ask(port, "/api/overview", headers=headers))[0] == 200
        token = "another one, since just now"
        assert (await ask(port, "/api/overview", headers=headers))[0] == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"])
async def test_it_only_reads(method: str) -> None:
    view = Shown([entry()])
    async with shown(view) as port:
        for path in ("/", f"/?token={TOKEN}", *PATHS):
            status, _, headers = await ask(port, path, method, visitor(port))
            assert (status, headers["Allow"]) == (405, "GET")
            assert "Set-Cookie" not in headers
    assert view.asked == []


async def test_a_name_that_was_bound_to_the_loopback_by_others_is_not_answered() -> None:
    async with shown(Shown([entry("secret-name")])) as port:
        for path in ("/", f"/?token={TOKEN}", *PATHS):
            status, body, headers = await ask(
                port, path, headers={**visitor(port), "Host": f"evil.example:{port}"}
            )
            assert (status, "secret-name" in body, "Set-Cookie" in headers) == (421, False, False)


async def test_each_answer_keeps_scripts_frames_and_caches_out() -> None:
    async with shown(Shown([entry()])) as port:
        for path in ("/", f"/?token={TOKEN}", "/?token=wrong", "/dashboard.css", *PATHS):
            for headers in ({}, visitor(port), {"Host": "evil.example"}):
                _, _, told = await ask(port, path, headers=headers)
                policy = {
                    name: words
                    for name, *words in (one.split() for one in told["Content-Security-Policy"].split(";"))
                }
                assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
                assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
                assert policy["require-trusted-types-for"] == ["'script'"]
                assert "unsafe" not in told["Content-Security-Policy"]
                assert (told["Cache-Control"], told["Server"]) == ("no-store", "tidegate")
                assert (told["X-Frame-Options"], told["X-Content-Type-Options"]) == ("DENY", "nosniff")
                assert (told["Referrer-Policy"], "Access-Control-Allow-Origin" in told) == (
                    "no-referrer",
                    False,
                )


async def test_logs_are_those_of_the_pods_that_are_shown() -> None:
    view = Shown([entry()])
    async with shown(view) as port:
        status, body, headers = await ask(port, f"/api/logs/{WEB}/worker-1/main", headers=visitor(port))
        assert (status, body, headers["Content-Type"]) == (200, "one\ntwo\n", "text/plain; charset=utf-8")
        for other in ("other-pod/main", "worker-1/other", "worker-1", "..%2f..%2fsecrets/main", "a/b/c"):
            status, body, _ = await ask(port, f"/api/logs/{WEB}/{other}", headers=visitor(port))
            assert (status, "one" in body) == (404, False)
        await ask(port, f"/api/logs/{WEB}/worker-1/main?previous=true", headers=visitor(port))
    assert [one for one in view.asked if one.startswith("log")] == [
        "log shop/worker-1/main",
        "log shop/worker-1/main before",
    ]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ApiError(403, "Forbidden", "pods is forbidden"), 403, "pods is forbidden"),
        (ApiError(404, "NotFound", "there is none"), 404, "there is none"),
        (Unreachable("list pods", answer="no answer"), 503, "no answer"),
        (RuntimeError("p4ssw0rd"), 500, "RuntimeError"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else None,
)
async def test_an_error_says_what_it_may(
    error: Exception, code: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with shown(defect(error)) as port:
        status, body, _ = await ask(port, f"/api/objects/{WEB}", headers=visitor(port))
        assert (status, said in body, "p4ssw0rd" in body) == (code, True, False)


async def test_a_replica_that_stands_by_says_who_leads() -> None:
    view = Shown([entry()])
    async with shown(view, standby=lambda: "this replica stands by, and keda-operator-b leads") as port:
        for path in ("/api/overview", f"/api/objects/{WEB}"):
            status, body, _ = await ask(port, path, headers=visitor(port))
            assert (status, "keda-operator-b leads" in body) == (503, True)
    assert view.asked == []


class Still(SystemClock):
    """Time passes when the test says so."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


async def test_many_open_pages_cost_as_much_as_one() -> None:
    view, clock = Shown([entry()]), Still()
    async with shown(view, clock=clock) as port:
        for rounds in (1, 2):
            for _ in range(10):
                for path in ("/api/overview", f"/api/objects/{WEB}", f"/api/pods/{WEB}"):
                    assert (await ask(port, path, headers=visitor(port)))[0] == 200
            assert sorted(view.asked) == sorted(["object", "pods"] * rounds)
            clock.now_s += KEPT_S
