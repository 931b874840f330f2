"""URLs and requests as they go onto the wire, and the settings by which triggers log in over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import pytest

from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.kit import reading
from tidegate.kit.httpaccess import HttpAccess
from tidegate.kit.picking.gjson import Json
from tidegate.kit.question import Ask
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.settings import declared, setting
from tidegate.kit.systems.http import (
    HttpLogin,
    HttpQuestion,
    HttpRequest,
    HttpServer,
    OAuthClient,
    basic,
    read_url,
)
from tidegate.kit.tls import Tls

SECRET = "hunter2-hunter2"


@declared
class Things(HttpAccess):
    """A trigger of the tests."""

    types: ClassVar[tuple[str, ...]] = ("things",)
    product: ClassVar[str] = "Things"

    where: str = setting("serverAddress", doc="Base URL.")

    def address(self) -> tuple[str, str]:
        return "serverAddress", self.where

    async def measure(self, ask: Ask, now: datetime) -> float:
        return float(await ask(HttpQuestion(HttpRequest(self.server(), f"{self.base()}/count"), Json("n"))))


def build(
    auth: dict[str, str], modes: str = "", address: str = "https://things:1/base/", **metadata: str
) -> Any:
    texts = {"serverAddress": address, "authModes": modes, **metadata}
    trigger = Trigger(type="things", metadata=texts)
    return reading.build(Things, trigger, Sources(texts, {}, auth), Scope("shop"))


@pytest.mark.parametrize(
    ("text", "origin", "target"),
    [
        ("http://a", "http://a", "/"),
        ("HTTP://A:80/x", "http://a", "/x"),
        ("https://a:443", "https://a", "/"),
        ("https://a:80/x?y=1#z", "https://a:80", "/x?y=1"),
        ("http://[::1]:9090/x", "http://[::1]:9090", "/x"),
        ("http://a/%2F/ü", "http://a", "/%2F/%C3%BC"),
        ("http://a?x=a%20b", "http://a", "/?x=a%20b"),
        ("http://u:p@a/x", "http://a", "/x"),
    ],
)
def test_a_url_is_taken_apart(text: str, origin: str, target: str) -> None:
    url = read_url(text)
    assert (url.origin, url.target()) == (origin, target)


def test_user_info_is_a_login_and_shows_nowhere() -> None:
    url = read_url(f"http://me%40home:{SECRET}@a/x")
    assert url.login() == HttpLogin((basic("me@home", SECRET),))
    assert SECRET not in repr(url)
    assert read_url("http://a").login() == HttpLogin()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not an absolute URL"),
        ("prometheus:9090", "is not an absolute URL"),
        ("/path", "is not an absolute URL"),
        ("ftp://a", "is not an absolute URL"),
        ("http:///x", "is not an absolute URL"),
        ("http://:80/x", "names no host"),
        ("http://a:99999", "cannot be read"),
        ("http://a:x", "cannot be read"),
        ("http://a:0", "port 0"),
        ("http://[::1", "cannot be read"),
        ("http://a b", "holds a blank"),
        ("http://a\r\nX: y", "holds a blank"),
    ],
)
def test_what_is_no_url_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_url(text)


@pytest.mark.parametrize(
    ("path", "query", "target"),
    [
        ("", (), "/"),
        ("/a", (("x", "1 2"),), "/a?x=1+2"),
        ("/a?b=c", (("x", "ü&"),), "/a?b=c&x=%C3%BC%26"),
    ],
)
def test_a_query_is_appended_encoded(path: str, query: Any, target: str) -> None:
    request = HttpRequest(HttpServer("http://a"), path, query)
    assert request.target() == target
    assert request.title() == f"GET {path.partition('?')[0] or '/'}"


@pytest.mark.parametrize(
    ("modes", "auth", "login"),
    [
        ("", {"username": "u", "token": "t"}, HttpLogin()),
        ("basic", {"username": "u"}, HttpLogin((basic("u", ""),))),
        ("basic", {"username": "u", "password": "p"}, HttpLogin((basic("u", "p"),))),
        ("bearer", {"token": "t"}, HttpLogin((("Authorization", "Bearer t"),))),
        ("bearer", {"bearerToken": "t", "token": "u"}, HttpLogin((("Authorization", "Bearer t"),))),
        ("apiKey", {"apiKey": "k"}, HttpLogin((("X-API-KEY", "k"),))),
        ("apiKey", {"apiKey": "k", "keyParamName": "K"}, HttpLogin((("K", "k"),))),
        ("apiKey", {"apiKey": "k", "method": "query"}, HttpLogin(query=(("api_key", "k"),))),
        ("custom", {"customAuthHeader": "H", "customAuthValue": "v\n"}, HttpLogin((("H", "v"),))),
        (
            "custom, basic",
            {"customAuthHeader": "authorization", "customAuthValue": "v", "username": "u"},
            HttpLogin((basic("u", ""),)),
        ),
        (
            "apiKey,bearer",
            {"apiKey": "k", "token": "t"},
            HttpLogin((("X-API-KEY", "k"), ("Authorization", "Bearer t"))),
        ),
        (
            "oauth",
            {
                "oauthTokenURI": "https://t/o",
                "clientID": "c",
                "clientSecret": "s",
                "scope": "a,,b",
                "endpointParams": "x=1&y=a%20b&x=2",
            },
            HttpLogin(
                oauth=OAuthClient("https://t/o", "c", "s", ("a", "b"), (("x", "1"), ("y", "a b"), ("x", "2")))
            ),
        ),
    ],
)
@pytest.mark.parametrize("is_in_authentication", [False, True])
def test_each_mode_logs_in(
    modes: str, auth: dict[str, str], login: HttpLogin, is_in_authentication: bool
) -> None:
    scaler = build({**auth, "authMode": modes}) if is_in_authentication else build(auth, modes)
    assert isinstance(scaler, Things), scaler
    assert scaler.server() == HttpServer("https://things:1", login, Tls(), name="Things")
    assert scaler.base() == "/base"


def test_user_info_logs_in_where_no_mode_does() -> None:
    address = "https://u:p@things:1"
    assert build({}, "", address).server().login == HttpLogin((basic("u", "p"),))
    assert build({"token": "t"}, "bearer", address).server().login.headers == (("Authorization", "Bearer t"),)
    assert build({}, "", address).server().label() == "Things https://things:1"


def test_a_client_certificate_is_shown_in_its_mode_alone_and_without_tls_not_at_all() -> None:
    auth = {"ca": "C", "cert": "D", "key": "K"}
    assert build(auth).server().tls == Tls("C")
    assert build(auth, "tls").server().tls == Tls("C", "D", "K")
    assert build(auth, "tls", "http://things").server().tls is None


def test_certificates_count_for_the_token_server_too_where_the_server_itself_speaks_plain() -> None:
    auth = {"ca": "C", "clientID": "c", "oauthTokenURI": "HTTPS://t/o"}
    assert build(auth, "oauth", "http://things").server().tls == Tls("C")
    assert build({**auth, "oauthTokenURI": "http://t/o"}, "oauth", "http://things").server().tls is None
    assert build(auth, "", "http://things").server().tls is None


@pytest.mark.parametrize(
    ("modes", "auth", "path", "message"),
    [
        ("basic,bearer", {"username": "u", "token": "t"}, "authModes", "only one of [bearer basic oauth]"),
        ("bearer", {}, "bearerToken", "bearer token=<empty> is required when bearer auth is enabled"),
        ("basic", {"password": "p"}, "username", "username=<empty> is required when basic auth is enabled"),
        ("apiKey", {}, "apiKey", "apiKey is required when apiKey auth is enabled"),
        ("tls", {"cert": "c"}, "key", "cert=<present> and key=<empty> are required when tls auth is enabled"),
        ("oauth", {"clientID": "c"}, "oauthTokenURI", "oauthTokenURI=<empty> and clientID=<present> are"),
        ("custom", {}, "customAuthHeader", "customAuthHeader=<empty> and customAuthValue=<empty> are"),
        ("Basic", {}, "authModes", "is not one of apiKey, basic"),
        ("basic,", {"username": "u"}, "authModes", "is not one of"),
        ("", {"method": "body"}, "method", "is not one of header, query"),
        ("oauth", {"oauthTokenURI": "t", "clientID": "c"}, "oauthTokenURI", "is not an absolute URL"),
        ("bearer", {"token": f"a\n{SECRET}"}, "bearerToken", "control character"),
        ("custom", {"customAuthHeader": "a b", "customAuthValue": SECRET}, "customAuthHeader", "its name"),
        (
            "custom",
            {"customAuthHeader": "Transfer-Encoding", "customAuthValue": SECRET},
            "customAuthHeader",
            "cannot be set",
        ),
    ],
)
def test_a_mistake_is_told(modes: str, auth: dict[str, str], path: str, message: str) -> None:
    problems = build(auth, modes)
    assert [one.path for one in problems] == [path]
    assert message in problems[0].message
    assert SECRET not in problems[0].message


def test_a_bad_address_is_shown_unless_it_may_hold_a_password() -> None:
    (problem,) = build({}, "", "things:1")
    assert problem == Problem(
        "serverAddress", '"things:1" is not an absolute URL (http:// or https:// and a host)'
    )
    (problem,) = build({}, "", f"me:{SECRET}@things")
    assert SECRET not in problem.message
