"""Dead letters: the message as its stream keeps it, published to another subject."""

from __future__ import annotations

import base64
import binascii

from tidegate.base.errors import Malformed, Misconfigured, TidegateError
from tidegate.connections.claims.nats.receipts import Receipt
from tidegate.connections.nats.jetstream import NO_MESSAGE, Missing, inner, read, request, told
from tidegate.connections.nats.wire import Post, Wire, headed, read_headers
from tidegate.kit.systems.nats_claims import NatsConsumerSource

_OURS = "tidegate-"
_THEIRS = "nats-"


async def put_aside(
    wire: Wire, source: NatsConsumerSource, receipt: Receipt, id: str, attempted: str
) -> None:
    """Returns when a stream has it, or where the message is gone from its own. Raises what went wrong.

    `Nats-Msg-Id` is the same each time: what is published twice within the other stream's duplicate window is
    there once. Headers that steer a server are left out.
    """
    form = {"seq": receipt.sequence}
    try:
        kept = inner(await told(wire, request(f"STREAM.MSG.GET.{source.stream}", form), attempted), "message")
    except Missing as error:
        if error.code == NO_MESSAGE:
            return
        raise
    try:
        body = base64.b64decode(kept.get("data") or "", validate=True)
        raw = base64.b64decode(kept.get("hdrs") or "", validate=True)
        theirs = read_headers(raw) if raw else ()
    except (ValueError, TypeError, binascii.Error) as error:
        raise Malformed(attempted, on=wire.label, answer="the stream's message cannot be read") from error
    subject = kept.get("subject")
    ours = (
        ("Nats-Msg-Id", f"{_OURS}{source.stream}-{id}"),
        (f"{_OURS}id", id),
        (f"{_OURS}stream", source.stream),
        (f"{_OURS}sequence", str(receipt.sequence)),
        (f"{_OURS}subject", subject if isinstance(subject, str) else ""),
    )
    kept_headers = tuple(one for one in theirs if not one[0].lower().startswith((_OURS, _THEIRS)))
    await _publish(wire, source.dead_letter, body, ((*kept_headers, *ours), ours[:1], ()), attempted)


async def _publish(
    wire: Wire,
    subject: str,
    body: bytes,
    choices: tuple[tuple[tuple[str, str], ...], ...],
    attempted: str,
) -> None:
    """With the first of the `choices` of headers that leaves the message short enough."""
    sizes = [(len(headed(one)) if one else 0) + len(body) for one in choices]
    fitting = [one for one, size in zip(choices, sizes, strict=True) if size <= wire.most_bytes]
    if not fitting:
        answer = "the message is longer than the server takes now"
        step = "let its max_payload be what it was"
        raise Misconfigured(attempted, on=wire.label, answer=answer, next_step=step)
    came = await wire.one(Post(subject, body, fitting[0]), attempted)
    if came.status == 503:
        answer = f"no stream keeps what is published to {subject}"
        raise Misconfigured(attempted, on=wire.label, answer=answer, next_step="make one that does")
    document = read(came, wire.label, attempted)
    if not isinstance(document.get("stream"), str) or type(document.get("seq")) is not int:
        raise _unkept(wire, attempted, subject)


def _unkept(wire: Wire, attempted: str, subject: str) -> TidegateError:
    answer = f"whoever answers to {subject} is no stream"
    return Misconfigured(attempted, on=wire.label, answer=answer, next_step="name a subject of a stream")
