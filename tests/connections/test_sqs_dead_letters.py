"""Claims from queues of SQS: dead letters, strangers, failures; at scripts and at two emulators."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.claimant import Claimants
from parts.elasticmq_server import ElasticMq
from parts.http_server import answering
from parts.moto_server import REGION, Moto
from parts.server_process import Servers
from parts.sqs_script import (
    OTHERS,
    POLICY,
    SECRET,
    Script,
    at,
    message,
    receipt,
    refused,
)
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.core.claims.values import Acknowledge, DeadLetter, Release, Renew
from tidegate.kit.systems.claims import Done, NotYet, Renewals


def emulated(test: Any) -> Any:
    """A test that needs ElasticMQ."""
    return pytest.mark.real(pytest.mark.xdist_group("claim-laws")(test))


# --- dead letters


async def test_a_dead_letter_whose_original_could_not_be_deleted_is_not_sent_twice(
    claimants: Claimants,
) -> None:
    script = Script(
        ReceiveMessage={"Messages": [message(1)]}, DeleteMessageBatch=refused("ServiceUnavailable", 503)
    )
    async with answering(script) as fake:
        one = at(claimants, fake.origin, "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs")
        await one.take(1)
        asked = DeadLetter("m1", 5, "", "5 Jobs have failed")
        with pytest.raises(Unreachable):
            await one.ask(asked)
        # Its lease has ended meanwhile: it comes with another handle.
        script.says["ReceiveMessage"] = {"Messages": [message(1, ReceiptHandle="h2")]}
        del script.says["DeleteMessageBatch"]
        await one.take(1)
        assert await one.ask(asked) == [Done()]
        assert await one.ask(asked) == [Done()]
        (sent,) = script.of("SendMessage")
        assert sent == {
            "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/bad",
            "MessageBody": "b1",
        }
        assert script.of("DeleteMessageBatch")[-1]["Entries"][0]["ReceiptHandle"] == "h2"


async def test_a_dead_letter_takes_along_what_its_sender_said_and_a_name_against_doubles(
    claimants: Claimants,
) -> None:
    sent = {
        "kind": {"DataType": "String", "StringValue": "csv"},
        "key": {"DataType": "Binary", "BinaryValue": "AAE="},
    }
    own = {"MessageGroupId": "shop", "AWSTraceHeader": "Root=1-2-3"}
    script = Script(ReceiveMessage={"Messages": [message(1, Attributes=own, MessageAttributes=sent)]})
    async with answering(script) as fake:
        one = at(claimants, fake.origin, "jobs.fifo", "bad.fifo")
        await one.take(1)
        assert await one.ask(DeadLetter("m1", 5, "", "why")) == [Done()]
        (asked,) = script.of("SendMessage")
        assert asked == {
            "QueueUrl": "bad.fifo",
            "MessageBody": "b1",
            "MessageAttributes": sent,
            "MessageSystemAttributes": {
                "AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-2-3"}
            },
            "MessageGroupId": "shop",
            "MessageDeduplicationId": "m1",
        }


@pytest.mark.parametrize("policy", [{}, {"Attributes": {"RedrivePolicy": "no JSON"}}])
async def test_nothing_is_claimed_that_could_not_be_put_aside(claimants: Claimants, policy: Any) -> None:
    script = Script(GetQueueAttributes=policy, ReceiveMessage={"Messages": [message(1)]})
    async with answering(script) as fake:
        one = at(claimants, fake.origin)
        with pytest.raises(Misconfigured, match="give the queue a redrive policy"):
            await one.take(1)
        assert script.of("ReceiveMessage") == []
        # Once there is one, it is found at the next look.
        script.says["GetQueueAttributes"] = POLICY
        assert len((await one.take(1)).items) == 1
        named = at(claimants, fake.origin, dead_letter="bad")
        script.says["GetQueueAttributes"] = policy
        assert len((await named.take(1)).items) == 1


@pytest.mark.parametrize(("receives", "is_told"), [(5, True), (6, False)])
async def test_a_redrive_policy_that_cuts_attempts_short_is_told(
    claimants: Claimants, receives: int, is_told: bool
) -> None:
    policy = {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:bad", "maxReceiveCount": receives}
    script = Script(GetQueueAttributes={"Attributes": {"RedrivePolicy": json.dumps(policy)}})
    async with answering(script) as fake:
        found = await at(claimants, fake.origin).take(1)
        assert ("maxReceiveCount" in found.told) == is_told


# --- what strangers write


async def test_a_sender_cannot_say_what_the_service_says(claimants: Claimants) -> None:
    sent = {
        "ApproximateReceiveCount": {"DataType": "String", "StringValue": "99"},
        "MessageGroupId": {"DataType": "String", "StringValue": "other"},
        "kind": {"DataType": "String", "StringValue": "csv"},
        "key": {"DataType": "Binary", "BinaryValue": "AAE="},
        "odd": "no object",
        "long": {"DataType": "String", "StringValue": "x" * 20_000},
    }
    own = {"SenderId": "AIDA"}
    script = Script(ReceiveMessage={"Messages": [message(1, Attributes=own, MessageAttributes=sent)]})
    async with answering(script) as fake:
        (item,) = (await at(claimants, fake.origin).take(1)).items
        assert dict(item.attributes) == {"SenderId": "AIDA", "key": "AAE=", "kind": "csv"}
        assert "h1" not in repr(item)


@pytest.mark.parametrize("id", ["..", "../../victim", "a b", "$(NAME)", "x" * 300])
async def test_what_stands_on_a_job_names_no_entry_and_an_edited_receipt_asks_nothing(
    claimants: Claimants, id: str
) -> None:
    script = Script()
    async with answering(script) as fake:
        one = at(claimants, fake.origin)
        one.receipts = {id: "100 inf h1"}
        assert await one.ask(Renew((id,))) == [Renewals((id,))]
        assert await one.ask(Acknowledge(id, "job")) == [NotYet()]
        assert await one.ask(Release(id, 1, 5.0, "job")) == [OTHERS]
        assert await one.ask(DeadLetter(id, 5, "job", "why")) == [NotYet()]
        assert fake.requests == []
        one.receipts = {id: receipt()}
        assert await one.ask(Acknowledge(id, "job")) == [Done()]
        assert script.asked == [
            ("DeleteMessageBatch", {"QueueUrl": "jobs", "Entries": [{"Id": "0", "ReceiptHandle": "h1"}]})
        ]


# --- what goes wrong


@pytest.mark.parametrize(
    ("says", "kind", "told"),
    [
        (refused("OverLimit", 403), Unreachable, "120,000 messages of a queue may be in flight"),
        (refused("AccessDeniedException"), Denied, "sqs:ChangeMessageVisibility"),
        (refused("KmsAccessDenied"), Denied, "kms:Decrypt"),
        (refused("QueueDoesNotExist"), Misconfigured, "QueueDoesNotExist"),
        ({"Messages": "none"}, Malformed, "no list"),
        ({"Messages": [{"MessageId": "m1", "Body": "b"}]}, Malformed, "no identity, receipt handle or body"),
        ({"Messages": ["m1"]}, Malformed, "no identity, receipt handle or body"),
        (lambda _: web.Response(text="<html>"), Malformed, "no JSON"),
        (lambda _: web.Response(text="x" * (33 << 20)), Malformed, "larger than"),
    ],
)
async def test_what_is_no_answer_is_no_empty_queue(
    claimants: Claimants, says: Any, kind: type[TidegateError], told: str
) -> None:
    async with answering(Script(ReceiveMessage=says)) as fake:
        with pytest.raises(kind, match=told) as error:
            await at(claimants, fake.origin).take(1)
        assert SECRET not in str(error.value)


async def test_ten_messages_of_a_mebibyte_come(claimants: Claimants) -> None:
    page = [message(number, Body="é" * (1 << 19)) for number in range(10)]
    async with answering(Script(ReceiveMessage={"Messages": page})) as fake:
        found = await at(claimants, fake.origin).take(10)
        assert [len(item.body) for item in found.items] == [1 << 20] * 10


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_does_not_answer_is_no_empty_queue(claimants: Claimants, fault: Any) -> None:
    async with fault() as bad:
        with pytest.raises(Unreachable):
            await at(claimants, f"http://{bad.address}", timeout_s=0.5).take(1)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_name_that_does_not_resolve_and_tls_to_a_plain_port_are_no_empty_queue(
    claimants: Claimants, scheme: str
) -> None:
    async with answering(Script()) as fake:
        host = faults.NOWHERE if scheme == "http" else f"127.0.0.1:{fake.port}"
        with pytest.raises(Unreachable) as error:
            await at(claimants, f"{scheme}://{host}").take(1)
        assert SECRET not in str(error.value)
        assert fake.requests == []


async def test_claims_go_on_when_a_server_has_come_back(claimants: Claimants) -> None:
    script = Script(ReceiveMessage={"Messages": [message(1)]})
    async with answering(script) as fake:
        one, port = at(claimants, fake.origin), fake.port
        await one.take(1)
    with pytest.raises(Unreachable):
        await one.ask(Renew(("m1",)))
    async with answering(script, port=port):
        (renewed,) = await one.ask(Renew(("m1",)))
        assert (renewed.lost, renewed.late) == ((), ())
        assert await one.ask(Acknowledge("m1", "job")) == [Done()]


async def test_an_answer_of_a_fifo_queue_that_was_lost_is_asked_for_again(
    claimants: Claimants,
) -> None:
    script = Script(ReceiveMessage=refused("ServiceUnavailable", 503))
    async with answering(script) as fake:
        one = at(claimants, fake.origin, "jobs.fifo", "bad.fifo")
        with pytest.raises(Unreachable):
            await one.take(1)
        script.says["ReceiveMessage"] = {"Messages": [message(1)]}
        await one.take(1)
        await one.take(2, "m1")
        lost, again, other = (asked["ReceiveRequestAttemptId"] for asked in script.of("ReceiveMessage"))
        assert lost == again != other


# --- at real servers


@pytest.fixture(scope="module")
def elasticmq(servers: Servers) -> ElasticMq:
    return servers.get(ElasticMq)


@emulated
async def test_of_each_group_one_message_is_worked_on_at_a_time_and_in_order(
    elasticmq: ElasticMq, claimants: Claimants
) -> None:
    fifo = {"FifoQueue": "true"}
    for queue in ("ordered.fifo", "bad.fifo"):
        elasticmq.ask("CreateQueue", QueueName=queue, Attributes=fifo)
    url = elasticmq.url("ordered.fifo")
    for number, (body, group) in enumerate([("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")]):
        elasticmq.ask(
            "SendMessage",
            QueueUrl=url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=str(number),
        )
    one = at(claimants, f"http://{elasticmq.address}", url, "bad.fifo")
    found = await one.take(9)
    assert sorted(item.body for item in found.items) == [b"a1", b"b1"]
    ids = {item.body: item.id for item in found.items}
    # What has failed comes before those behind it.
    assert await one.ask(Release(ids[b"a1"], 1, 0.0, "job")) == [OTHERS]
    (again,) = (await one.take(9, ids[b"b1"])).items
    assert (again.id, again.body, dict(again.attributes)["MessageGroupId"]) == (ids[b"a1"], b"a1", "a")
    assert await one.ask(DeadLetter(again.id, 2, "", "why")) == [Done()]
    (second,) = (await one.take(9, ids[b"b1"])).items
    assert second.body == b"a2"
    assert await one.ask(Acknowledge(second.id, "job")) == [Done()]
    assert [item.body for item in (await one.take(9, ids[b"b1"])).items] == [b"a3"]
    (dead,) = elasticmq.ask("ReceiveMessage", QueueUrl=elasticmq.url("bad.fifo"), AttributeNames=["All"])[
        "Messages"
    ]
    assert (dead["Body"], dead["Attributes"]["MessageGroupId"]) == ("a1", "a")
    assert dead["Attributes"]["MessageDeduplicationId"] == again.id


@pytest.fixture(scope="module")
def moto(servers: Servers) -> Moto:
    return servers.get(Moto)


@pytest.mark.real
@pytest.mark.xdist_group("moto")
async def test_a_message_with_everything_comes_and_goes_to_the_queues_own_dead_letters(
    moto: Moto, claimants: Claimants
) -> None:
    with moto.client("sqs") as sqs:
        bad = sqs.create_queue(QueueName="claims-bad")["QueueUrl"]
        policy = {
            "deadLetterTargetArn": f"arn:aws:sqs:{REGION}:123456789012:claims-bad",
            "maxReceiveCount": 99,
        }
        url = sqs.create_queue(QueueName="claims", Attributes={"RedrivePolicy": json.dumps(policy)})[
            "QueueUrl"
        ]
        body = '"ü$(PATH)\n<a>&\U0001f600'
        attributes: Any = {
            "kind": {"DataType": "String", "StringValue": "csv"},
            "key": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        }
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
        one = at(claimants, moto.url, url)
        (item,) = (await one.take(1)).items
        assert item.body == body.encode()
        said = dict(item.attributes)
        assert (said["kind"], said["key"], said["ApproximateReceiveCount"]) == ("csv", "AAE=", "1")
        again = at(claimants, moto.url, url)
        again.receipts = dict(one.receipts)
        assert [id for id, _ in (await again.take(0)).held] == [item.id]
        assert await again.ask(DeadLetter(item.id, 5, "job", "why")) == [NotYet()]
        (fresh,) = (await again.take(1)).items
        assert (fresh.id, dict(fresh.attributes)["ApproximateReceiveCount"]) == (item.id, "2")
        assert await again.ask(DeadLetter(item.id, 5, "", "why")) == [Done()]
        (dead,) = sqs.receive_message(QueueUrl=bad, MessageAttributeNames=["All"])["Messages"]
        assert (dead["Body"], dead["MessageAttributes"]["key"]["BinaryValue"]) == (body, b"\x00\x01")
        assert "Messages" not in sqs.receive_message(QueueUrl=url)
        with pytest.raises(Misconfigured, match=r"NonExistentQueue|QueueDoesNotExist"):
            await at(claimants, moto.url, "nothing-here").take(1)
