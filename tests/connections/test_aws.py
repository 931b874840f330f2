"""AWS services: moto for what it emulates, scripted answers for what it does not."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.http_server import answering, says
from parts.moto_server import REGION, Moto
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws import connect
from tidegate.connections.aws.calls import refusal
from tidegate.connections.aws.cloudwatch import packed
from tidegate.connections.aws.cloudwatch import read as read_metrics
from tidegate.connections.aws.sqs import ATTRIBUTES
from tidegate.kit.identity import AwsKeys
from tidegate.kit.systems.aws import (
    AwsServer,
    CloudwatchSeries,
    DynamodbQuery,
    DynamodbStreamShards,
    KinesisShards,
    Service,
    SqsCounts,
    SqsQueue,
    Statistic,
)


def emulated(test: Any) -> Any:
    """A test that needs moto."""
    return pytest.mark.real(pytest.mark.xdist_group("moto")(test))


SECRET = "hunter2/hunter2"
KEYS = AwsKeys("AKIAEXAMPLE", SECRET, "session-hunter2")
ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def moto(servers: Servers) -> Moto:
    return servers.get(Moto)


def server(url: str, service: Service = "sqs") -> AwsServer:
    return AwsServer(service, REGION, KEYS, url)


@asynccontextmanager
async def asking(asked: AwsServer, timeout_s: float = 10.0) -> AsyncIterator[Any]:
    """The adapter's `answer`; it closes twice afterwards."""
    adapter: Any = connect(asked, Surroundings(timeout_s=timeout_s))
    try:
        yield adapter
    finally:
        await adapter.close()
        await adapter.close()


@asynccontextmanager
async def scripted(
    service: Service, body: Any, status: str = "200 OK", *headers: str, timeout_s: float = 2.0
) -> AsyncIterator[tuple[Any, AwsServer, Any]]:
    """A service that answers every call with this."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with faults.answering(content, status, "application/x-amz-json-1.0", *headers) as bad:
        asked = server(f"http://{bad.address}", service)
        async with asking(asked, timeout_s) as adapter:
            yield adapter, asked, bad


# --- SQS


@emulated
async def test_a_queue_is_counted_by_its_url_and_by_its_name(moto: Moto) -> None:
    moto.reset()
    url = moto.make("sqs", "create_queue", QueueName="orders")["QueueUrl"]
    for number in range(5):
        moto.make("sqs", "send_message", QueueUrl=url, MessageBody=str(number))
    moto.make("sqs", "send_message", QueueUrl=url, MessageBody="later", DelaySeconds=600)
    moto.make("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=2, VisibilityTimeout=600)
    asked = server(moto.url)
    async with asking(asked) as adapter:
        answers = await adapter.answer([SqsQueue(asked, url), SqsQueue(asked, "orders")])
    assert answers == [SqsCounts(3, 2, 1)] * 2


@emulated
async def test_a_missing_queue_fails_alone(moto: Moto) -> None:
    moto.reset()
    moto.make("sqs", "create_queue", QueueName="orders")
    asked = server(moto.url)
    async with asking(asked) as adapter:
        good, bad = await adapter.answer([SqsQueue(asked, "orders"), SqsQueue(asked, "gone")])
    assert good == SqsCounts(0, 0, 0)
    assert isinstance(bad, Misconfigured)
    assert "gone" in str(bad)


@emulated
async def test_a_thousand_triggers_on_twenty_queues_are_twenty_calls(moto: Moto, proxy_for: ProxyFor) -> None:
    moto.reset()
    for number in range(20):
        moto.make("sqs", "create_queue", QueueName=f"q{number}")
    proxy = await proxy_for(moto.port)
    asked = server(f"http://{proxy.address}")
    questions = list(dict.fromkeys(SqsQueue(asked, f"q{number % 20}") for number in range(1000)))
    async with asking(asked) as adapter:
        assert await adapter.answer(questions) == [SqsCounts(0, 0, 0)] * 20
        assert len(proxy.requests) == 20
        await adapter.answer(questions)
        assert len(proxy.requests) == 40
        assert adapter.wake_gap_s >= 5, "calls are billed"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "metric ApproximateNumberOfMessages not found"),
        (None, "metric ApproximateNumberOfMessages not found"),
        ({"ApproximateNumberOfMessages": "many"}, "is no number"),
        ({"ApproximateNumberOfMessages": 5}, "is no number"),
        ({"ApproximateNumberOfMessages": "-1"}, "is no number"),
    ],
)
async def test_attributes_that_are_missing_or_no_numbers_are_malformed(attributes: Any, words: str) -> None:
    async with scripted("sqs", {"Attributes": attributes}) as (adapter, asked, _bad):
        (error,) = await adapter.answer([SqsQueue(asked, "q")])
    assert isinstance(error, Malformed)
    assert words in str(error)


async def test_calls_share_a_few_connections_that_stay_open() -> None:
    body = {"Attributes": dict.fromkeys(ATTRIBUTES, "0")}
    async with answering(says(body)) as fake:
        asked = server(fake.origin)
        async with asking(asked) as adapter:
            for _ in range(3):
                answers = await adapter.answer([SqsQueue(asked, f"q{number}") for number in range(100)])
                assert answers == [SqsCounts(0, 0, 0)] * 100
        assert len(fake.requests) == 300
        assert fake.most <= 16
        assert len(fake.connections) <= 16


# --- what is sent


async def test_a_call_is_signed_over_its_whole_self_and_the_secret_never_travels() -> None:
    body = {"Attributes": dict.fromkeys(ATTRIBUTES, "0")}
    async with scripted("sqs", body) as (adapter, asked, bad):
        assert await adapter.answer([SqsQueue(asked, "q")]) == [SqsCounts(0, 0, 0)]
        sent = bad.heard.decode().lower()
    assert "x-amz-target: amazonsqs.getqueueattributes" in sent
    assert (
        f"credential=akiaexample/{time.strftime('%Y%m%d', time.gmtime())}/{REGION}/sqs/aws4_request" in sent
    )
    assert "signedheaders=" in sent
    assert "x-amz-target" in sent.partition("signedheaders=")[2].partition(",")[0]
    assert "x-amz-security-token: session-hunter2" in sent
    assert SECRET not in bad.heard.decode()


# --- the other services


@emulated
async def test_the_shards_of_streams_are_counted(moto: Moto) -> None:
    moto.reset()
    moto.make("kinesis", "create_stream", StreamName="clicks", ShardCount=3)
    asked = server(moto.url, "kinesis")
    async with asking(asked) as adapter:
        count, bad = await adapter.answer([KinesisShards(asked, "clicks"), KinesisShards(asked, "gone")])
    assert count == 3
    assert isinstance(bad, Misconfigured)


def table(moto: Moto, name: str, **more: Any) -> None:
    moto.make(
        "dynamodb",
        "create_table",
        TableName=name,
        KeySchema=[
            {"AttributeName": "state", "KeyType": "HASH"},
            {"AttributeName": "id", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "state", "AttributeType": "S"},
            {"AttributeName": "id", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )


def waiting(asked: AwsServer) -> DynamodbQuery:
    return DynamodbQuery(asked, "tasks", "", "#s = :s", "", '{"#s": "state"}', '{":s": {"S": "waiting"}}')


@emulated
async def test_a_query_counts_what_its_condition_and_filter_find(moto: Moto) -> None:
    moto.reset()
    table(moto, "tasks")
    for number in range(6):
        item = {"state": {"S": "waiting"}, "id": {"N": str(number)}, "weight": {"N": str(number)}}
        moto.make("dynamodb", "put_item", TableName="tasks", Item=item)
    asked = server(moto.url, "dynamodb")

    def query(
        filter: str = "", values: str = '{":s": {"S": "waiting"}}', name: str = "tasks"
    ) -> DynamodbQuery:
        return DynamodbQuery(asked, name, "", "#s = :s", filter, '{"#s": "state"}', values)

    large = query("weight > :n", '{":s": {"S": "waiting"}, ":n": {"N": "3"}}')
    none = query(values='{":s": {"S": "done"}}')
    async with asking(asked) as adapter:
        answers = await adapter.answer([query(), large, none, query(name="gone")])
    assert answers[:3] == [6, 2, 0]
    assert isinstance(answers[3], Misconfigured)


@emulated
async def test_a_query_counts_all_of_its_pages(moto: Moto, proxy_for: ProxyFor) -> None:
    moto.reset()
    table(moto, "tasks")
    for number in range(9):
        item = {"state": {"S": "waiting"}, "id": {"N": str(number)}, "body": {"S": "x" * 300_000}}
        moto.make("dynamodb", "put_item", TableName="tasks", Item=item)
    proxy = await proxy_for(moto.port)
    asked = server(f"http://{proxy.address}", "dynamodb")
    async with asking(asked) as adapter:
        assert await adapter.answer([waiting(asked)]) == [9]
        assert adapter.round_trips == len(proxy.requests) > 1


@pytest.mark.parametrize(
    ("on_a_page", "told"), [(3, 30), (0, "nothing in the first 10 MB passes the filter")]
)
async def test_a_query_that_does_not_end_counts_ten_pages_and_is_never_a_zero(
    on_a_page: int, told: Any
) -> None:
    page = {"Count": on_a_page, "LastEvaluatedKey": {"id": {"N": "1"}}}
    async with scripted("dynamodb", page) as (adapter, asked, bad):
        (answer,) = await adapter.answer([waiting(asked)])
        assert b'"ExclusiveStartKey":{"id":{"N":"1"}}' in bad.heard
        assert adapter.round_trips == 10
    assert answer == told or told in str(answer)


@pytest.mark.parametrize("count", [None, "7", -1, True, 1.5])
async def test_a_query_whose_count_is_none_is_a_failure(count: Any) -> None:
    async with scripted("dynamodb", {"Count": count}) as (adapter, asked, _):
        (answer,) = await adapter.answer([waiting(asked)])
    assert isinstance(answer, Malformed)


@emulated
async def test_the_shards_of_a_tables_newest_stream_are_counted(moto: Moto, proxy_for: ProxyFor) -> None:
    moto.reset()
    streaming = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    table(moto, "orders", StreamSpecification=streaming)
    table(moto, "still")
    proxy = await proxy_for(moto.port)
    asked = server(f"http://{proxy.address}", "streams.dynamodb")
    questions = [DynamodbStreamShards(asked, name) for name in ("orders", "still", "gone")]
    async with asking(asked) as adapter:
        count, still, gone = await adapter.answer(questions)
        before = len(proxy.requests)
        assert await adapter.answer(questions[:1]) == [1]
    assert count == 1
    assert isinstance(still, Misconfigured)
    assert "dynamodb stream arn for the table still is empty" in str(still)
    assert isinstance(gone, Misconfigured)
    assert len(proxy.requests) - before == 1, "which stream a table has is remembered"


async def test_pages_of_shards_are_followed_to_their_end_and_no_further() -> None:
    page = {
        "Table": {"LatestStreamArn": "arn:x"},
        "StreamDescription": {"Shards": [{}] * 100, "LastEvaluatedShardId": "again"},
    }
    async with scripted("streams.dynamodb", page, timeout_s=10) as (adapter, asked, bad):
        adapter.calls._gap_s = 0.0
        (error,) = await adapter.answer([DynamodbStreamShards(asked, "t")])
        assert b'"ExclusiveStartShardId":"again"' in bad.heard
    assert isinstance(error, Malformed)
    assert "more than 50 pages" in str(error)


# --- CloudWatch


def series(asked: AwsServer, what: Any, end_s: int = 600, account: str = "") -> CloudwatchSeries:
    return CloudwatchSeries(asked, what, 60, end_s, 300, account)


def age(queue: str) -> Statistic:
    return Statistic("Shop", "Age", (("Queue", queue),), "Maximum")


@emulated
async def test_the_newest_point_in_the_window_of_each_metric_counts(moto: Moto, proxy_for: ProxyFor) -> None:
    moto.reset()
    end_s = int(time.time()) // 60 * 60
    for queue, value, at_s in (("a", 5, end_s - 200), ("a", 7.5, end_s - 30), ("b", 1, end_s - 5000)):
        point = {
            "MetricName": "Age",
            "Dimensions": [{"Name": "Queue", "Value": queue}],
            "Timestamp": at_s,
            "Value": value,
        }
        moto.make("cloudwatch", "put_metric_data", Namespace="Shop", MetricData=[point])
    proxy = await proxy_for(moto.port)
    asked = server(f"http://{proxy.address}", "monitoring")
    async with asking(asked) as adapter:
        answers = await adapter.answer([series(asked, age(queue), end_s) for queue in ("a", "b", "c")])
    assert answers == [7.5, None, None]
    assert len(proxy.requests) == 1


def test_series_travel_500_to_a_call_by_window_with_one_select_each() -> None:
    asked = server("http://x", "monitoring")
    many = [series(asked, age(str(number))) for number in range(1001)]
    assert [len(group) for group in packed(many)] == [500, 500, 1]
    windows = [series(asked, age(str(number)), 600 + number % 3) for number in range(9)]
    assert [len(group) for group in packed(windows)] == [3, 3, 3]
    selects = [series(asked, f"select max(x{number}) from y") for number in range(3)]
    assert [len(group) for group in packed([*selects, *many[:5]])] == [1, 1, 6]
    assert [len(group) for group in packed(many[:3], [age("1")])] == [1, 1, 1]


async def test_one_query_that_is_refused_spoils_no_other() -> None:
    asked_in_all: list[list[str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        wanted = [query.get("Expression", "metric") for query in (await request.json())["MetricDataQueries"]]
        asked_in_all.append(wanted)
        if "WRONG(" in wanted:
            refused = {"__type": "com.amazonaws#ValidationError", "message": SECRET}
            return web.json_response(refused, status=400)
        results = [{"Id": f"m{number}", "Values": [3.0]} for number in range(len(wanted))]
        return web.json_response({"MetricDataResults": results})

    async with answering(answer) as fake:
        asked = server(fake.origin, "monitoring")
        wanted = [series(asked, one) for one in (age("a"), "WRONG(", age("b"))]
        async with asking(asked) as adapter:
            good, wrong, other = await adapter.answer(wanted)
            assert (good, other) == (3.0, 3.0)
            assert isinstance(wrong, Misconfigured)
            assert "ValidationError" in str(wrong)
            assert SECRET not in str(wrong)
            assert len(asked_in_all) == 4, "together, then one by one"
            asked_in_all.clear()
            await adapter.answer(wanted)
            assert sorted(map(len, asked_in_all)) == [1, 1, 1], "the culprit goes alone from now on"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"MetricDataResults": [{"Id": "m0", "Values": []}]}, None),
        ({"MetricDataResults": [{"Id": "m0", "Values": [], "StatusCode": "Complete"}]}, None),
        ({"MetricDataResults": []}, None),
        ({"MetricDataResults": [{"Id": "m0", "Values": [3], "StatusCode": "PartialData"}]}, 3.0),
        ({"MetricDataResults": [{"Id": "m0", "Values": [], "StatusCode": "PartialData"}]}, Unreachable),
        ({"MetricDataResults": [{"Id": "m0", "Values": [], "StatusCode": "InternalError"}]}, Unreachable),
        ({"MetricDataResults": [{"Id": "m0", "Values": [], "StatusCode": "Forbidden"}]}, Denied),
        ({"MetricDataResults": [], "NextToken": "more"}, Unreachable),
        ({"MetricDataResults": [{"Id": "m0", "Values": []}], "NextToken": "more"}, Unreachable),
    ],
)
def test_what_cloudwatch_could_not_read_is_no_empty_metric(answer: Any, expected: Any) -> None:
    asked = series(server("http://x", "monitoring"), age("a"))
    found = read_metrics([asked], answer)[asked]
    assert found == expected or (isinstance(expected, type) and isinstance(found, expected))


# --- faults


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", Denied),
        ("AWS.SimpleQueueService.AccessDenied", Denied),
        ("UnrecognizedClientException", Denied),
        ("InvalidClientTokenId", Denied),
        ("ExpiredTokenException", Denied),
        ("SignatureDoesNotMatch", Denied),
        ("ThrottlingException", Unreachable),
        ("RequestThrottled", Unreachable),
        ("ProvisionedThroughputExceededException", Unreachable),
        ("QueueDoesNotExist", Misconfigured),
        ("ResourceNotFoundException", Misconfigured),
        ("ValidationException", Misconfigured),
        ("InvalidParameterValue", Misconfigured),
        ("InternalServerError", Unreachable),
        ("", Unreachable),
    ],
)
def test_error_codes_mean_what_to_do_next(code: str, kind: type[Exception]) -> None:
    assert isinstance(refusal("count", server("http://x"), code), kind)


async def test_a_key_that_is_refused_everywhere_is_the_services_answer_and_shows_no_secret() -> None:
    body = {"__type": "InvalidClientTokenId", "message": f"the token {SECRET} is invalid"}
    async with scripted("sqs", body, "403 Forbidden") as (adapter, asked, _bad):
        with pytest.raises(Denied, match="InvalidClientTokenId") as caught:
            await adapter.answer([SqsQueue(asked, "a"), SqsQueue(asked, "b")])
    assert SECRET not in str(caught.value) + caught.value.excerpt


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"null", b"\xff"])
async def test_an_answer_that_is_no_object_is_malformed(body: bytes) -> None:
    async with scripted("sqs", body) as (adapter, asked, _bad):
        (error,) = await adapter.answer([SqsQueue(asked, "q")])
    assert isinstance(error, Malformed)


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_endpoint_is_told_and_never_a_number(fault: Any) -> None:
    error: Any
    async with fault() as bad, asking(server(f"http://{bad.address}"), 0.5) as adapter:
        try:
            (error,) = await adapter.answer([SqsQueue(server(f"http://{bad.address}"), "q")])
        except TidegateError as raised:
            error = raised
    assert isinstance(error, Unreachable | Malformed)
    assert "SQS" in str(error)
    assert SECRET not in str(error)


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    asked = server(f"http://{faults.NOWHERE}")
    async with asking(asked, 2) as adapter:
        with pytest.raises(Unreachable):
            await adapter.answer([SqsQueue(asked, "q")])


async def test_ten_megabytes_are_not_read() -> None:
    async with faults.huge(b'{"Attributes": {"x": "', b'"}}') as bad:
        asked = server(f"http://{bad.address}")
        async with asking(asked) as adapter:
            (error,) = await adapter.answer([SqsQueue(asked, "q")])
    assert isinstance(error, Malformed)
    assert "larger than" in str(error)


async def test_an_overloaded_service_is_asked_again_when_it_says() -> None:
    async with scripted("sqs", {}, "503 Service Unavailable", "Retry-After: 7") as (adapter, asked, _bad):
        with pytest.raises(Unreachable) as caught:
            await adapter.answer([SqsQueue(asked, "q")])
    assert caught.value.retry_after_s == 7


@emulated
async def test_a_restarted_service_answers_the_next_question() -> None:
    with Moto() as own:
        asked = server(own.url)
        own.make("sqs", "create_queue", QueueName="q")
        async with asking(asked) as adapter:
            assert await adapter.answer([SqsQueue(asked, "q")]) == [SqsCounts(0, 0, 0)]
            own.stop()
            with pytest.raises(Unreachable):
                await adapter.answer([SqsQueue(asked, "q")])
            own.start()
            own.make("sqs", "create_queue", QueueName="q")
            assert await adapter.answer([SqsQueue(asked, "q")]) == [SqsCounts(0, 0, 0)]
