"""What JetStream is asked about streams and consumers, over the clients' port."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.nats.wire import Came, Post, Wire

NO_CONSUMER, NO_STREAM, NO_MESSAGE = 10014, 10059, 10037
_MISSING = {
    NO_CONSUMER: "there is no such consumer",
    NO_STREAM: "there is no such stream",
    NO_MESSAGE: "there is no such message",
    10039: "JetStream is not enabled for the account",
    10076: "JetStream is not enabled",
}


class Missing(Misconfigured):
    """There is no such thing: `code` says of what kind."""

    code: int = 0


def request(subject: str, form: Mapping[str, Any] | None = None) -> Post:
    """A request of JetStream's: `subject` is what follows `$JS.API.`."""
    return Post(f"$JS.API.{subject}", json.dumps(form).encode() if form is not None else b"")


async def told(wire: Wire, post: Post, attempted: str) -> Mapping[str, Any]:
    """The answer to one request. `Missing` where what it is about is not there."""
    return read(await wire.one(post, attempted), wire.label, attempted)


async def all_told(
    wire: Wire, posts: Sequence[Post], attempted: str
) -> list[Mapping[str, Any] | TidegateError]:
    """The answers to requests that travel together, or why there is none."""
    found: list[Mapping[str, Any] | TidegateError] = []
    for came in await wire.ask(posts, attempted):
        try:
            found.append(came if isinstance(came, TidegateError) else read(came, wire.label, attempted))
        except TidegateError as error:
            found.append(error)
    return found


def read(came: Came, label: str, attempted: str) -> Mapping[str, Any]:
    """An answer of JetStream's as an object. Raises what it says went wrong, without its words."""
    if came.status == 503:
        step = "switch it on for this account, or look whether its cluster has a leader"
        answer = "nobody answers for JetStream"
        raise Unreachable(attempted, on=label, answer=answer, next_step=step)
    try:
        document = json.loads(came.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Malformed(attempted, on=label, answer="what came back is no answer of JetStream")
    error = document.get("error")
    if error is None:
        return document
    number = error.get("err_code") if isinstance(error, dict) else None
    if isinstance(number, int) and number in _MISSING:
        missing = Missing(attempted, on=label, answer=_MISSING[number])
        missing.code = number
        raise missing
    code = error.get("code") if isinstance(error, dict) else None
    if code in (500, 503):
        raise Unreachable(attempted, on=label, answer=f"JetStream is not able to ({code}, {number})")
    raise Malformed(attempted, on=label, answer=f"JetStream refuses it ({code}, {number})")


def inner(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object in an answer, empty where there is none."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts in an answer, without what is none."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def whole(value: Any) -> int:
    """A whole number in an answer, 0 where there is none: zeros are left out."""
    return value if type(value) is int else 0
