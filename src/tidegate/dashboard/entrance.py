"""Who may look: a link with the token once, a cookie from then on; and under which names the page answers.

The cookie holds what is made of the token, so that what a browser keeps is not the token, and a changed token
ends all visits. Its name has the port in it: cookies know no ports, and two dashboards are not one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

LEAST_TOKEN = 16
COOKIE = "tidegate-dashboard"
# A page that got another address for its own name (DNS rebinding) says that name here.
HOSTS = ("127.0.0.1", "localhost", "tidegate.localhost", "[::1]")


class Entrance:
    """`token` is asked at each request: it may change. An empty one lets nobody in."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def is_token(self, given: str) -> bool:
        token = self._token()
        return bool(token) and hmac.compare_digest(_bytes(given), token.encode())

    def is_cookie(self, given: str) -> bool:
        token = self._token()
        return bool(token) and hmac.compare_digest(_bytes(given), _kept(token).encode())

    def cookie(self) -> str:
        """What a visitor who has shown the token keeps."""
        return _kept(self._token())


def _bytes(given: str) -> bytes:
    """What came over the wire may be no text at all."""
    return given.encode(errors="surrogatepass")


def _kept(token: str) -> str:
    return hmac.new(token.encode(), b"tidegate dashboard", hashlib.sha256).hexdigest()


def is_own_host(host: str) -> bool:
    """Whether the Host header names this machine's loopback, on any port: a forwarded one may be another."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, ""
    return name.lower() in HOSTS and (port.isdigit() or not port)


def cookie_name(host: str) -> str:
    """`tidegate-dashboard-7444`, by the port that the browser sees."""
    _, colon, port = host.rpartition(":")
    return f"{COOKIE}-{port}" if colon and port.isdigit() else COOKIE
