"""The dashboard's own small server: files of the page, and JSON behind the cookie. GET and nothing else.

    /?token=…                                        takes the token, leaves a cookie and goes to /
    /                                                the page; without the cookie, who asks for the token
    /api/overview?q=&state=&page=                    objects, fifty at a time
    /api/objects/<plural>/<namespace>/<name>         one: its explanation, conditions and curves
    /api/pods/<plural>/<namespace>/<name>            its pods
    /api/logs/<plural>/<namespace>/<name>/<pod>/<container>   the end of a log of one of these pods, as text

What browsers are told with every answer keeps scripts, frames and other origins out; no value of an object is
ever HTML: the page makes texts of them, and the browser is told to refuse anything else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from tidegate.base.errors import TidegateError
from tidegate.dashboard.entrance import Entrance, cookie_name, is_own_host
from tidegate.dashboard.files import files
from tidegate.dashboard.sharing import Sharing
from tidegate.dashboard.shown import Entry, View, has_container, overview
from tidegate.kube.resource import ApiError
from tidegate.runtime.clock import Clock

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "tidegate",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
# Files that say nothing of any object, and that the page which asks for the token needs.
OPEN = ("dashboard.css", "icon.svg")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class About:
    """`title` says whose dashboard it is, `is_local` that it is one of this machine. `standby` says in words
    why there is nothing to show, "" where there is."""

    title: str
    is_local: bool = False
    standby: Callable[[], str] = lambda: ""


class Site:
    """`app()` is to be served; `close()` at its end."""

    def __init__(self, view: View, entrance: Entrance, about: About, clock: Clock) -> None:
        self._view = view
        self._entrance = entrance
        self._about = about
        self._files = files()
        self._objects: Sharing[Entry] = Sharing(clock)
        self._logs: Sharing[str] = Sharing(clock)
        self._parts = {"objects": self._object, "pods": self._pods, "logs": self._log}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        app.on_response_prepare.append(_with_headers)
        return app

    async def close(self) -> None:
        """Ends what is under way. Safe twice."""
        await self._objects.close()
        await self._logs.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if not is_own_host(host):
            return _text(
                421, "the dashboard answers to 127.0.0.1 and localhost only: open it by one of these"
            )
        if request.method != "GET":
            refused = _text(405, f"{request.method} is not allowed: the dashboard only reads")
            refused.headers["Allow"] = "GET"
            return refused
        path = request.path.strip("/")
        if path in OPEN:
            return self._file(path)
        if not path and "token" in request.query:
            return self._enter(request.query["token"], host)
        if not self._entrance.is_cookie(request.cookies.get(cookie_name(host), "")):
            # A file of the page is asked for by the page alone; a visitor is asked for the token.
            return (
                self._file("enter.html", 401) if not path else _text(401, "open the dashboard's link first")
            )
        if not path:
            return self._file("index.html")
        if path in self._files:
            return self._file(path)
        return await self._answer(request)

    def _enter(self, token: str, host: str) -> web.Response:
        """A page of ours that goes on by itself: after a redirect of who comes from elsewhere, the strict
        cookie would not be sent; and so the token does not stay in the browser's history."""
        if not self._entrance.is_token(token):
            return self._file("refused.html", 403)
        answer = self._file("welcome.html")
        answer.set_cookie(
            cookie_name(host), self._entrance.cookie(), path="/", httponly=True, samesite="Strict"
        )
        return answer

    def _file(self, name: str, status: int = 200) -> web.Response:
        file = self._files[name]
        return web.Response(body=file.body, status=status, headers={"Content-Type": file.media_type})

    async def _answer(self, request: web.Request) -> web.Response:
        # A part may hold a slash of its own.
        first, *parts = [unquote(one) for one in request.rel_url.raw_path.strip("/").split("/")]
        if first != "api" or not parts:
            return _text(404, "there is no such page")
        standby = self._about.standby()
        try:
            if standby:
                return _json({"message": standby, "isStandby": True}, 503)
            if parts == ["overview"]:
                return _json({**self._named(), **overview(self._view, request.query)})
            answer = self._parts.get(parts[0])
            if answer is None:
                return _json({"message": "there is no such page"}, 404)
            return await answer(request, parts[1:])
        except ApiError as error:
            return _json({"message": error.message, "reason": error.reason}, error.code)
        except TidegateError as error:
            return _json({"message": str(error), "reason": error.kind}, 503)
        except ConnectionError:
            raise
        except Exception as error:
            log.exception("a page of the dashboard broke", extra={"path": request.path})
            # The error's own text may hold anything: it goes to the log only.
            return _json({"message": f"an error on the server: {type(error).__name__}; see its log"}, 500)

    def _named(self) -> Entry:
        return {"title": self._about.title, "isLocal": self._about.is_local}

    async def _object(self, request: web.Request, parts: list[str]) -> web.Response:
        place = _place(parts, 3)
        found = await self._objects.get(("object", *place), partial(self._view.object, *place))
        return _json({**self._named(), **found})

    async def _pods(self, request: web.Request, parts: list[str]) -> web.Response:
        return _json(await self._pods_of(_place(parts, 3)))

    async def _pods_of(self, place: list[str]) -> Entry:
        return await self._objects.get(("pods", *place), partial(self._view.pods, *place))

    async def _log(self, request: web.Request, parts: list[str]) -> web.Response:
        *place, pod, container = _place(parts, 5)
        # Logs of other pods are not for who may see this page.
        if not has_container(await self._pods_of(place), pod, container):
            raise ApiError(404, "NotFound", f"{place[2]} has no pod {pod} with a container {container}")
        is_previous = request.query.get("previous") == "true"
        ask = partial(self._view.log, place[1], pod, container, is_previous=is_previous)
        text = await self._logs.get((place[1], pod, container, is_previous), ask)
        return web.Response(text=text, headers={"Content-Type": TEXT})


async def _with_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _place(parts: list[str], count: int) -> list[str]:
    if len(parts) != count or not all(parts):
        raise ApiError(404, "NotFound", "there is no such page")
    return parts


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, headers={"Content-Type": JSON})


def _text(status: int, text: str) -> web.Response:
    return web.Response(text=text, status=status, headers={"Content-Type": TEXT})
