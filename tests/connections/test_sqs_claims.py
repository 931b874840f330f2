"""Leases of claims from queues of SQS, and how many calls they are, at scripts."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from parts.claimant import Claimants
from parts.http_server import answering
from parts.sqs_script import (
    OTHERS,
    Script,
    all_good,
    at,
    fails,
    message,
    receipt,
)
from tidegate.base.errors import Malformed, Unreachable
from tidegate.connections.claims.sqs.answers import Extras, read_receipt
from tidegate.connections.claims.sqs.memory import Memory
from tidegate.core.claims.values import Acknowledge, Ask, DeadLetter, GiveBack, Release, Renew
from tidegate.kit.systems.claims import Done, NotYet, Renewals
from tidegate.kit.systems.sqs_claims import aside_problem

# --- values


@pytest.mark.parametrize(
    ("queue", "dead_letter", "told"),
    [
        ("jobs", "", ""),
        ("jobs", "bad", ""),
        ("https://sqs/1/jobs", "https://sqs/2/jobs", ""),
        ("jobs.fifo", "bad.fifo", ""),
        ("jobs.fifo", "bad", "let tidegate.dev/claim-dead-letter name a FIFO queue"),
        ("jobs", "bad.fifo", "let tidegate.dev/claim-dead-letter name a standard queue"),
        ("https://sqs/1/jobs", "jobs", "claimed again"),
        ("jobs", "jobs", "claimed again"),
        ("jobs", "no/{queue}", "can be no queue's name"),
        ("jobs", "x" * 81, "can be no queue's name"),
    ],
)
def test_where_dead_letters_cannot_go_is_told_before_anything_is_claimed(
    queue: str, dead_letter: str, told: str
) -> None:
    found = aside_problem(queue, dead_letter)
    assert told in found
    assert bool(told) == bool(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h1",
        "100 200 ",
        "nan 200 h1",
        "100 inf h1",
        "-5 200 h1",
        "300 200 h1",
        "100 43400 h1",
        "9000 52300 h1",
        "100 200 two words",
        "100 200 h\x00",
        "100 200 " + "h" * 2049,
    ],
)
def test_what_nobody_gave_as_a_receipt_is_none(text: str) -> None:
    assert read_receipt("100 200 h1", 150) is not None
    assert read_receipt(text, 150) is None


def test_what_dead_letters_would_take_along_is_kept_within_bounds_and_the_newest_always() -> None:
    memory = Memory()
    for number in range(20):
        memory.keep(("one", "jobs", f"m{number}"), Extras({}, size=1 << 20))
    kept = [number for number in range(20) if memory.extras(("one", "jobs", f"m{number}"))]
    assert kept == list(range(12, 20))
    memory.keep(("one", "jobs", "big"), Extras({}, size=1 << 30))
    assert memory.extras(("one", "jobs", "big")) is not None
    assert memory.extras(("one", "jobs", "m19")) is None


# --- how many calls


async def test_a_thousand_claims_are_renewed_and_ended_in_a_hundred_calls_each(
    claimants: Claimants,
) -> None:
    async with answering(Script()) as fake:
        one = at(claimants, fake.origin)
        one.receipts = {f"m{number}": receipt(handle=f"h{number}") for number in range(1000)}
        (renewed,) = await one.ask(Renew(tuple(one.receipts)))
        assert (len(renewed.receipts), renewed.lost, renewed.late) == (1000, (), ())
        assert len(fake.requests) == 100
        assert fake.most <= 16
        assert len(fake.connections) <= 16
        ends: list[Ask] = [Acknowledge(f"m{number}", "job") for number in range(500)]
        ends += [Release(f"m{number}", 1, float(number % 7), "job") for number in range(500, 1000)]
        assert await one.ask(*ends) == [Done()] * 500 + [OTHERS] * 500
        assert len(fake.requests) == 200
        again = at(claimants, fake.origin)
        again.receipts = dict(one.receipts)
        assert len((await again.take(0)).held) == 1000
        assert len(fake.requests) == 300


async def test_a_hundred_messages_come_in_ten_calls_and_the_redrive_policy_is_read_once(
    claimants: Claimants,
) -> None:
    left = [message(number) for number in range(150)]

    def receive(asked: dict[str, Any]) -> dict[str, Any]:
        page, left[:] = left[: asked["MaxNumberOfMessages"]], left[asked["MaxNumberOfMessages"] :]
        return {"Messages": page} if page else {}

    script = Script(ReceiveMessage=receive)
    async with answering(script) as fake:
        one = at(claimants, fake.origin)
        found = await one.take(150)
        assert (len(found.items), found.has_more, len(fake.requests)) == (100, True, 11)
        assert len((await one.take(150, *one.receipts)).items) == 50
        assert len(fake.requests) == 16
        # A look that finds none is not the last: it may have asked some of the service's machines alone.
        assert (await one.take(200, *one.receipts)).items == ()
        assert script.names()[16:] == ["ReceiveMessage"] * 2
        assert {asked["VisibilityTimeout"] for asked in script.of("ReceiveMessage")} == {60}


# --- what a lease is


async def test_a_lease_that_is_over_by_our_clock_is_not_tried_but_what_is_done_is_deleted(
    claimants: Claimants,
) -> None:
    script = Script()
    async with answering(script) as fake:
        one = at(claimants, fake.origin)
        one.receipts = {"m1": receipt(began_s=-100, ends_s=-10)}
        assert await one.ask(Renew(("m1",))) == [Renewals(("m1",))]
        assert await one.ask(Release("m1", 1, 5.0, "job")) == [OTHERS]
        assert await one.ask(GiveBack(("m1",))) == [Done()]
        assert await one.ask(DeadLetter("m1", 5, "job", "why")) == [NotYet()]
        assert (await one.take(0)).held == ()
        assert script.names() == []
        # A standard queue says yes to everything; so the Job waits for its message, in case it was another's.
        assert await one.ask(Acknowledge("m1", "job")) == [NotYet()]
        assert script.of("DeleteMessageBatch") == [
            {"QueueUrl": "jobs", "Entries": [{"Id": "0", "ReceiptHandle": "h1"}]}
        ]
        one.receipts = {"m1": receipt(began_s=-300, ends_s=-121)}
        assert await one.ask(Acknowledge("m1", "job")) == [Done()]
        assert await one.ask(DeadLetter("m1", 5, "job", "why")) == [Done(is_elsewhere=True)]
        # A FIFO queue refuses what it does not delete.
        fifo = at(claimants, fake.origin, "jobs.fifo")
        fifo.receipts = {"m1": receipt(began_s=-100, ends_s=-10)}
        assert await fifo.ask(Acknowledge("m1", "job")) == [Done()]
        script.says["DeleteMessageBatch"] = fails("InvalidParameterValue")
        assert await fifo.ask(Acknowledge("m1", "job")) == [NotYet()]


@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"])
async def test_what_is_refused_while_its_lease_goes_on_was_deleted(claimants: Claimants, code: str) -> None:
    script = Script(ChangeMessageVisibilityBatch=fails(code), DeleteMessageBatch=fails(code))
    async with answering(script) as fake:
        one = at(claimants, fake.origin)
        one.receipts = {"m1": receipt()}
        one.bodies = {"m1": b"b1"}
        assert await one.ask(Renew(("m1",))) == [Renewals(("m1",))]
        assert await one.ask(Acknowledge("m1", "job")) == [Done()]
        assert await one.ask(Release("m1", 1, 5.0, "job")) == [OTHERS]
        one.receipts = {"m1": receipt(handle="h2")}
        assert await one.ask(DeadLetter("m1", 5, "job", "why")) == [Done()]
        assert script.of("SendMessage") == []


async def test_no_message_is_hidden_for_longer_than_twelve_hours_in_all(
    claimants: Claimants,
) -> None:
    script = Script()
    async with answering(script) as fake:
        one = at(claimants, fake.origin, lease_s=3600.0)
        one.receipts = {
            "long": receipt(began_s=-43000, ends_s=100, handle="h1"),
            "short": receipt(began_s=-100, ends_s=100, handle="h2"),
        }
        (renewed,) = await one.ask(Renew(("long", "short")))
        (asked,) = script.of("ChangeMessageVisibilityBatch")
        first, second = (entry["VisibilityTimeout"] for entry in asked["Entries"])
        assert 60 <= first <= 171
        assert second == 3600
        assert [id for id, _ in renewed.receipts] == ["long", "short"]
        # The last seconds are kept, and nothing is shown to others before they are over.
        last = receipt(began_s=-43190, ends_s=10)
        one.receipts = {"last": last}
        assert await one.ask(Renew(("last",))) == [Renewals(receipts=(("last", last),))]
        one.receipts = {"over": receipt(began_s=-43190, ends_s=-1)}
        assert await one.ask(Renew(("over",))) == [Renewals(("over",))]
        assert len(fake.requests) == 1


async def test_a_message_that_was_shown_to_others_is_held_no_more_whatever_its_receipt_says(
    claimants: Claimants,
) -> None:
    script = Script()
    async with answering(script) as fake:
        one = at(claimants, fake.origin)
        one.receipts = {"m1": receipt()}
        # Nobody has its body any more: it is received again first.
        assert await one.ask(DeadLetter("m1", 5, "job", "why")) == [NotYet()]
        (asked,) = script.of("ChangeMessageVisibilityBatch")
        assert asked["Entries"] == [{"Id": "0", "ReceiptHandle": "h1", "VisibilityTimeout": 0}]
        assert await one.ask(DeadLetter("m1", 5, "job", "why")) == [NotYet()]
        assert await one.ask(Renew(("m1",))) == [Renewals(("m1",))]
        assert len(fake.requests) == 1


async def test_some_renewals_that_fail_are_late_and_the_others_are_told(
    claimants: Claimants,
) -> None:
    def hide(asked: dict[str, Any]) -> dict[str, Any]:
        codes = {"busy": "RequestThrottled", "gone": "ReceiptHandleIsInvalid"}
        entries = [(one["Id"], one["ReceiptHandle"]) for one in asked["Entries"]]
        return {
            "Successful": [{"Id": id} for id, handle in entries if handle == "fine"],
            "Failed": [{"Id": id, "Code": codes[handle]} for id, handle in entries if handle in codes],
        }

    async with answering(Script(ChangeMessageVisibilityBatch=hide)) as fake:
        one = at(claimants, fake.origin)
        one.receipts = {handle: receipt(handle=handle) for handle in ("fine", "busy", "gone", "unsaid")}
        (found,) = await one.ask(Renew(tuple(one.receipts)))
        assert (found.lost, found.late) == (("gone",), ("busy", "unsaid"))
        assert [id for id, _ in found.receipts] == ["fine"]
        with pytest.raises(Unreachable, match="RequestThrottled"):
            await one.ask(Renew(("busy",)))
        with pytest.raises(Unreachable, match="RequestThrottled"):
            await one.ask(Release("busy", 1, 5.0, "job"))
        with pytest.raises(Unreachable, match="RequestThrottled"):
            await one.ask(GiveBack(("busy",)))
        with pytest.raises(Malformed, match="says nothing"):
            await one.ask(Renew(("unsaid",)))


async def test_a_server_that_falls_silent_is_given_up_and_the_calls_before_count(
    claimants: Claimants,
) -> None:
    def hide(asked: dict[str, Any]) -> Any:
        if asked["Entries"][0]["ReceiptHandle"] == "h0":
            return all_good(asked)
        return web.json_response({"__type": "x#InternalError"}, status=500)

    async with answering(Script(ChangeMessageVisibilityBatch=hide)) as fake:
        one = at(claimants, fake.origin)
        one.receipts = {f"m{number}": receipt(handle=f"h{number}") for number in range(30)}
        (found,) = await one.ask(Renew(tuple(one.receipts)))
        assert (len(found.receipts), found.lost, len(found.late)) == (10, (), 20)
