"""What a consumer is, and why it could not be claimed from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.base.errors import Denied, Malformed, Misconfigured
from tidegate.connections.nats.jetstream import inner, request, texts, told, whole
from tidegate.connections.nats.wire import Post, Wire
from tidegate.core.claims.wishes import DEAD_LETTER, LEASE
from tidegate.kit.systems.nats_claims import NatsConsumerSource

_NS = 10**9
_ASK = "ask about the consumer"


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer as it is now: `created` tells it from one of its name before or after. `room` is how many
    messages it may give away now, `batch` how many at once (0: any number), `floor` the sequence up to which
    all are acknowledged, `delivered` that of the last one that it gave away.
    """

    created: str
    config: Mapping[str, Any]
    floor: int
    delivered: int
    wait_s: float
    room: int
    batch: int

    @property
    def filters(self) -> tuple[str, ...]:
        one = self.config.get("filter_subject")
        return texts(self.config.get("filter_subjects")) or ((one,) if isinstance(one, str) and one else ())


def consumer_post(source: NatsConsumerSource) -> Post:
    """The request for what is known of the source's consumer."""
    return request(f"CONSUMER.INFO.{source.stream}.{source.consumer}")


def read_consumer(document: Mapping[str, Any], label: str) -> Consumer:
    """The consumer, out of the answer."""
    config, created = inner(document, "config"), document.get("created")
    if not isinstance(created, str) or not config:
        raise Malformed(_ASK, on=label, answer="the answer does not say what it is")
    # With a list of waits each delivery has one of them.
    waits = [whole(config.get("ack_wait")), *(whole(one) for one in config.get("backoff") or [])]
    most = whole(config.get("max_ack_pending"))
    pending = whole(document.get("num_ack_pending"))
    return Consumer(
        created,
        config,
        whole(inner(document, "ack_floor").get("stream_seq")),
        whole(inner(document, "delivered").get("stream_seq")),
        min(waits) / _NS,
        most - pending if most > 0 else 2**31,
        whole(config.get("max_batch")),
    )


def unclaimable(consumer: Consumer) -> tuple[str, str]:
    """Why no message can be claimed, and what to do; two "" where it can."""
    config = consumer.config
    if config.get("deliver_subject"):
        return "it is a push consumer, which sends messages to whoever listens", "name a pull consumer"
    if config.get("ack_policy") != "explicit":
        return "it does not wait for each message's acknowledgement", "name one with the AckPolicy explicit"
    if not config.get("durable_name"):
        return "it is ephemeral, and forgets what is held when nobody asks it", "name a durable one"
    if config.get("headers_only"):
        return "it hands out headers alone", "name one that hands out bodies"
    if whole(config.get("max_deliver")) > 0:
        answer = "it gives a message up after a number of deliveries, and a restart of ours costs one, too"
        return answer, "let its MaxDeliver be -1: tidegate.dev/claim-attempts counts the Jobs of a message"
    if config.get("priority_groups"):
        return "it has priority groups", "name one without"
    return "", ""


async def check_once(wire: Wire, source: NatsConsumerSource, consumer: Consumer) -> None:
    """What does not change: the login's account, and where dead letters go. Raises what is wrong."""
    await _check_account(wire, source)
    if source.dead_letter:
        await _check_subject(wire, source, consumer)
        return
    document = await told(wire, request(f"STREAM.INFO.{source.stream}"), "ask about the stream")
    if inner(document, "config").get("retention", "limits") != "limits":
        raise Misconfigured(
            f"claim messages of stream {source.stream}",
            on=wire.label,
            answer="the stream keeps no message that is done with, so a dead letter would be lost",
            next_step=f"let {DEAD_LETTER} name a subject of another stream",
        )


def check_now(source: NatsConsumerSource, consumer: Consumer, lease_s: float, label: str) -> None:
    """What somebody may change at any time. Raises what is wrong."""
    attempted = f"claim messages of consumer {source.consumer} of stream {source.stream}"
    answer, step = unclaimable(consumer)
    if answer:
        raise Misconfigured(attempted, on=label, answer=answer, next_step=step)
    if consumer.wait_s < lease_s:
        most = int(consumer.wait_s)
        raise Misconfigured(
            attempted,
            on=label,
            answer=f"its AckWait of {consumer.wait_s:g} s is less than the lease of {lease_s:g} s",
            next_step=f"let {LEASE} be at most {most}, or the AckWait longer",
        )


async def _check_account(wire: Wire, source: NatsConsumerSource) -> None:
    """Whether the login is of the trigger's account; servers that do not say are believed."""
    try:
        came = await wire.one(Post("$SYS.REQ.USER.INFO"), "ask who we are")
        document = read_user(came.body) if not came.status else {}
    except (Denied, Malformed):
        return
    names = {document.get("account"), document.get("account_name")} - {None, ""}
    if names and source.accounts and not names & set(source.accounts):
        raise Misconfigured(
            f"claim messages of stream {source.stream}",
            on=wire.label,
            answer="the login belongs to another account than the one whose messages the trigger counts",
            next_step="let the trigger's account, or accountID, be that of the login",
        )


def read_user(body: bytes) -> Mapping[str, Any]:
    """What the server says of whom we logged in as."""
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Malformed("ask who we are", answer="no answer of a NATS server") from error
    return inner(document, "data") if isinstance(document, dict) else {}


async def _check_subject(wire: Wire, source: NatsConsumerSource, consumer: Consumer) -> None:
    attempted = f"claim messages of stream {source.stream}"
    form = {"subject": source.dead_letter}
    document = await told(wire, request("STREAM.NAMES", form), "ask where dead letters go")
    names = texts(document.get("streams"))
    if not names:
        raise Misconfigured(
            attempted,
            on=wire.label,
            answer=f"no stream keeps what is published to {source.dead_letter}, where dead letters shall go",
            next_step=f"make one, or let {DEAD_LETTER} name a subject of one",
        )
    filters = consumer.filters
    if source.stream in names and (not filters or any(matches(one, source.dead_letter) for one in filters)):
        raise Misconfigured(
            attempted,
            on=wire.label,
            answer="dead letters would be claimed again",
            next_step=f"let {DEAD_LETTER} name a subject that the consumer is not given",
        )


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject is one of those that `pattern` stands for: `*` is a word, `>` one or more."""
    wanted, words = pattern.split("."), subject.split(".")
    for number, one in enumerate(wanted):
        if one == ">":
            return len(words) > number
        if number >= len(words) or one not in ("*", words[number]):
            return False
    return len(wanted) == len(words)
