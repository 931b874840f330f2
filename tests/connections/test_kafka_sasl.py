"""Logins at brokers that do not keep to the rules, played by a table; the right ones are real brokers'."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest

from parts.http_server import answering, says
from tidegate.base.errors import Denied, Malformed
from tidegate.connections.adapter import Surroundings
from tidegate.connections.kafka.sasl import log_in
from tidegate.connections.kafka.tokens import Tokens
from tidegate.kit.systems.kafka import Sasl, TokenEndpoint

LABEL = "Kafka broker b:1"
SALT = b"salt of the broker"


class Broker:
    """A broker's side of SCRAM-SHA-256, which `first` and `last` may spoil."""

    def __init__(self, first: Callable[[str], str] = str, last: Callable[[str], str] = str) -> None:
        self.password = "hunter2"
        self.iterations = 4096
        self.heard: list[str] = []
        self._first = first
        self._last = last
        self._bare = self._said = ""

    async def exchange(self, message: bytes) -> bytes:
        self.heard.append(message.decode())
        if len(self.heard) == 1:
            self._bare = self.heard[0].removeprefix("n,,")
            nonce = self._bare.partition("r=")[2] + "broker"
            said = f"r={nonce},s={base64.b64encode(SALT).decode()},i={self.iterations}"
            self._said = self._first(said)
            return self._said.encode()
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), SALT, self.iterations)
        signed = f"{self._bare},{self._said},{self.heard[1].partition(',p=')[0]}".encode()
        key = hmac.new(hmac.new(salted, b"Server Key", "sha256").digest(), signed, "sha256").digest()
        return self._last(f"v={base64.b64encode(key).decode()}").encode()


async def scram(broker: Broker, name: str = "alice") -> None:
    await log_in(Sasl("SCRAM-SHA-256", name, "hunter2"), broker.exchange, None, LABEL)


async def test_a_broker_that_knows_the_password_is_believed() -> None:
    broker = Broker()
    await scram(broker, "a=b,c")
    assert broker.heard[0].startswith("n,,n=a=3Db=2Cc,r=")
    assert "hunter2" not in str(broker.heard)


async def test_a_broker_that_does_not_know_the_password_is_not() -> None:
    broker = Broker()
    broker.password = "another"
    with pytest.raises(Denied, match="does not know"):
        await scram(broker)


@pytest.mark.parametrize(
    "first",
    [
        lambda text: text.replace("r=", "r=other"),
        lambda text: text.replace("i=4096", "i=4095"),
        lambda text: text.replace("i=4096", "i=1000001"),
        lambda text: text.replace("i=4096", "i=many"),
        lambda text: text.partition(",i=")[0],
        lambda text: text.replace("s=", "s=*"),
        lambda _: "e=other-error",
        lambda _: "",
        lambda _: "r",
    ],
)
async def test_a_beginning_that_is_none_ends_the_login(first: Callable[[str], str]) -> None:
    broker = Broker(first)
    with pytest.raises(Malformed, match="not the SASL mechanism"):
        await scram(broker)
    assert len(broker.heard) == 1  # no proof was given


@pytest.mark.parametrize(
    ("last", "error"),
    [
        (lambda _: "e=invalid-proof", Denied),
        (lambda _: "v=", Denied),
        (lambda _: "v=" + base64.b64encode(b"x" * 32).decode(), Denied),
        (lambda _: "x=1", Denied),
        (lambda _: "", Malformed),
    ],
)
async def test_an_end_that_proves_nothing_is_a_refusal(last: Callable[[str], str], error: Any) -> None:
    with pytest.raises(error) as caught:
        await scram(Broker(last=last))
    assert "hunter2" not in str(caught.value)


class Kept:
    """A token, and those that were forgotten."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.forgotten: list[str] = []

    async def token(self) -> str:
        return self.text

    def forget(self, token: str) -> None:
        self.forgotten.append(token)


async def test_a_token_that_is_refused_is_forgotten() -> None:
    async def exchange(message: bytes) -> bytes:
        return b'{"status":"invalid_token"}'

    kept = Kept("hunter2")
    with pytest.raises(Denied, match="the token was not accepted") as caught:
        await log_in(Sasl("OAUTHBEARER", tokens=TokenEndpoint("http://idp")), exchange, kept, LABEL)
    assert kept.forgotten == ["hunter2"]
    assert "hunter2" not in str(caught.value)


async def test_a_token_is_fetched_through_the_proxy_of_its_address() -> None:
    async with answering(says({"access_token": "abc", "expires_in": 60})) as proxy:
        sasl = Sasl("OAUTHBEARER", "id", "secret", TokenEndpoint("http://idp.nowhere.invalid/token"))
        tokens = Tokens(sasl, Surroundings(proxy_of=lambda url: proxy.origin))
        assert await tokens.token() == "abc"
        await tokens.close()
        assert proxy.requests[0].headers["Host"] == "idp.nowhere.invalid"


async def test_a_token_goes_out_with_its_extensions() -> None:
    heard = []

    async def exchange(message: bytes) -> bytes:
        heard.append(message)
        return b""

    tokens = TokenEndpoint("http://idp", (), (("pool", "p1"), ("cluster", "c")))
    await log_in(Sasl("OAUTHBEARER", tokens=tokens), exchange, Kept("abc"), LABEL)
    assert heard == [b"n,,\x01auth=Bearer abc\x01pool=p1\x01cluster=c\x01\x01"]


async def test_plain_says_user_and_password() -> None:
    heard = []

    async def exchange(message: bytes) -> bytes:
        heard.append(message)
        return b""

    await log_in(Sasl("PLAIN", "alice", "hunter2"), exchange, None, LABEL)
    assert heard == [b"\0alice\0hunter2"]
