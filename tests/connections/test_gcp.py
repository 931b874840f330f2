"""Google Cloud Monitoring and its tokens, against a fake written from Google's documentation."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from parts import faults
from parts.google_fake import EMAIL, SCOPE, FakeGoogle, key_file, key_text, stamp
from parts.google_tls import over_tls
from parts.http_server import HttpFake, answering, says
from parts.one_round import one_round
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.gcp import connect
from tidegate.connections.gcp.monitoring import grouped
from tidegate.connections.http.held_token import HeldToken
from tidegate.connections.identities import Ground, Identities
from tidegate.kit import reading
from tidegate.kit.identity import Identity, IdentityToken
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.gcp import GcpServer, read_account
from tidegate.kit.systems.gcp_monitoring import NewestPoint
from tidegate.kit.systems.http import HttpLogin, HttpServer

SIZE = "pubsub.googleapis.com/subscription/num_undelivered_messages"
AGES = "pubsub.googleapis.com/subscription/ack_latencies"


@asynccontextmanager
async def google(**fields: Any) -> AsyncIterator[tuple[FakeGoogle, HttpFake]]:
    cloud = FakeGoogle(**fields)
    async with answering(cloud.answer) as fake:
        yield cloud, fake


def server(origin: str, **key: Any) -> GcpServer:
    return GcpServer("monitoring", read_account(key_file(origin, **key)), origin)


def point(asked: GcpServer, name: str, horizon_s: float = 120, **fields: Any) -> NewestPoint:
    found = {"project": "shop-prod", "metric": SIZE, "reducer": "", **fields}
    place = ("pubsub_subscription", "subscription_id", name)
    return NewestPoint(asked, found["project"], found["metric"], *place, horizon_s, found["reducer"])


@asynccontextmanager
async def asking(asked: GcpServer, timeout_s: float = 10.0) -> AsyncIterator[Any]:
    """The adapter; it closes twice afterwards."""
    adapter: Any = connect(asked, Surroundings(timeout_s=timeout_s))
    try:
        yield adapter
    finally:
        await adapter.close()
        await adapter.close()


async def told(asked: GcpServer, *questions: NewestPoint, timeout_s: float = 10.0) -> TidegateError:
    """The error that is the answer to a question, or to all."""
    async with asking(asked, timeout_s) as adapter:
        try:
            answers = await adapter.answer(questions or [point(asked, "orders")])
        except TidegateError as error:
            return error
    assert isinstance(answers[0], TidegateError), answers
    return answers[0]


def build(origin: str, name: str, **metadata: str) -> Any:
    kind = scalers.find("gcp-pubsub")
    assert kind is not None
    texts = {"subscriptionName": name, "monitoringEndpoint": origin, **metadata}
    sources = Sources(texts, {}, {"GoogleApplicationCredentials": key_file(origin)})
    return reading.build(kind, Trigger(type="gcp-pubsub", metadata=texts), sources, Scope("shop"))


def points(**values: int) -> dict[Any, Any]:
    """One point, half a minute old, for each subscription."""
    return {
        ("shop-prod", SIZE, name.replace("_", "-")): [(30, {"int64Value": str(value)})]
        for name, value in values.items()
    }


# --- what counts


async def test_the_newest_point_within_each_horizon_counts() -> None:
    every = [(90, {"int64Value": "7"}), (150, {"int64Value": "70"}), (500, {"int64Value": "700"})]
    async with google(points={("shop-prod", SIZE, "orders"): every}) as (_cloud, fake):
        asked = server(fake.origin)
        wanted = [point(asked, "orders", horizon_s) for horizon_s in (120, 60, 600)]
        async with asking(asked) as adapter:
            assert await adapter.answer([*wanted, point(asked, "quiet")]) == [7, None, 7, None]
    assert len(fake.requests) == 2, "a token, and one call for all horizons"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"int64Value": "12"}, 12),
        ({"int64Value": "-3"}, -3),
        ({"doubleValue": 0.25}, 0.25),
        ({"doubleValue": 3}, 3),
        ({"doubleValue": "NaN"}, "no number but doubleValue"),
        ({"distributionValue": {"count": "1"}}, "no number but distributionValue"),
        ({"boolValue": True}, "no number but boolValue"),
        ({"stringValue": "12"}, "no number but stringValue"),
        ({"int64Value": "twelve"}, "no number but int64Value"),
        ({"doubleValue": True}, "no number but doubleValue"),
        ({}, "no number but "),
        (None, "no number but nothing"),
    ],
)
async def test_numbers_count_and_other_values_are_malformed(value: Any, expected: Any) -> None:
    async with google(points={("shop-prod", SIZE, "orders"): [(10, value)]}) as (_cloud, fake):
        asked = server(fake.origin)
        async with asking(asked) as adapter:
            (found,) = await adapter.answer([point(asked, "orders")])
    if isinstance(expected, str):
        assert isinstance(found, Malformed)
        assert expected in str(found)
    else:
        assert found == expected


async def test_distributions_are_reduced_by_monitoring_all_resources_in_one_query() -> None:
    reducer = "percentile(value, 99)"
    known = {
        ("shop-prod", AGES, name, reducer): [(60, {"doubleValue": value})]
        for name, value in (("a-1", 1.5), ("b-1", 2.5))
    }
    async with google(reduced=known) as (cloud, fake):
        asked = server(fake.origin)
        wanted = [point(asked, name, 300, metric=AGES, reducer=reducer) for name in ("a-1", "b-1", "c-1")]
        async with asking(asked) as adapter:
            assert await adapter.answer(wanted) == [1.5, 2.5, None]
    (query,) = cloud.seen
    assert query.endswith(f"group_by [resource.subscription_id], {reducer}")


async def test_a_trigger_without_any_point_has_the_value_that_was_given_or_fails() -> None:
    async with google(points=points(orders=4)) as (_cloud, fake):
        triggers = [
            build(fake.origin, "orders"),
            build(fake.origin, "projects/shop-prod/subscriptions/quiet", valueIfNull="0"),
            build(fake.origin, "quiet"),
        ]
        values = (await one_round(triggers, timeout_s=10)).values
    assert values[:2] == [4, 0]
    assert "could not find stackdriver metric" in values[2]


async def test_of_several_series_of_a_resource_the_first_counts() -> None:
    cloud = FakeGoogle()
    labels = {"labels": {"subscription_id": "orders"}}
    series = [
        {"resource": labels, "points": [{"interval": {"endTime": stamp(30)}, "value": {"int64Value": value}}]}
        for value in ("4", "40")
    ]

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return await cloud.answer(request)
        return web.json_response({"timeSeries": series})

    async with answering(answer) as fake, asking(server(fake.origin)) as adapter:
        assert await adapter.answer([point(server(fake.origin), "orders")]) == [4]


async def test_pages_are_followed_and_an_endless_list_is_not() -> None:
    many = points(**{f"s_{number:02}": number for number in range(40)})
    async with google(points=many, page=7) as (cloud, fake):
        asked = server(fake.origin)
        async with asking(asked) as adapter:
            names = [f"s-{number:02}" for number in range(40)]
            assert await adapter.answer([point(asked, name) for name in names]) == list(range(40))
        assert len(cloud.seen) == 6
        cloud.page = 0
        assert "more than 50 pages" in str(await told(asked, point(asked, "s-00")))


# --- what it costs


async def test_a_thousand_triggers_share_a_token_and_a_few_calls() -> None:
    many = points(**{f"queue_of_shop_{number:04}": number for number in range(1000)})
    async with google(points=many) as (cloud, fake):
        triggers = [build(fake.origin, f"queue-of-shop-{number:04}") for number in range(1000)]
        round = await one_round(triggers, timeout_s=10)
        assert round.values == list(range(1000))
        assert len(cloud.tokens) == 1
        assert len(cloud.seen) == 15
        assert fake.most <= 16


async def test_a_thousand_triggers_on_twenty_subscriptions_are_one_call() -> None:
    many = points(**{f"s_{number:02}": number for number in range(20)})
    async with google(points=many) as (cloud, fake):
        horizons = ["1m", "2m", "5m"]
        triggers = [
            build(fake.origin, f"s-{number % 20:02}", timeHorizon=horizons[number % 3], value=str(1 + number))
            for number in range(1000)
        ]
        round = await one_round(triggers, timeout_s=10)
        assert round.values == [number % 20 for number in range(1000)]
        assert len(cloud.seen) == 1


def test_what_differs_in_more_than_name_and_horizon_does_not_travel_together() -> None:
    asked = server("http://x")
    alike = [point(asked, f"s{number}", horizon_s) for number, horizon_s in enumerate((1, 120, 599, 600))]
    others = [
        point(asked, "s0", project="other"),
        point(asked, "s0", metric=AGES),
        point(asked, "s0", 3600),
        point(asked, "s0", 300, metric=AGES, reducer="mean(value)"),
        point(asked, "s0", 300, metric=AGES, reducer="sum(value)"),
    ]
    groups = list(grouped([*alike, *others, *alike]))
    assert [len(group.questions) for group in groups] == [4, 1, 1, 1, 1, 1]
    assert [group.length_s for group in groups] == [600, 600, 600, 3600, 300, 300]


@pytest.mark.parametrize("reducer", ["", "mean(value)"])
def test_a_filter_holds_no_more_names_than_it_may(reducer: str) -> None:
    asked = server("http://x")
    many = [point(asked, "n" * 250 + str(number), 300, reducer=reducer) for number in range(20)]
    groups = list(grouped(many))
    assert [one for group in groups for one in group.questions] == many
    assert all(1 < len(group.questions) <= 6 for group in groups)


# --- as an identity


def as_identity(fake: HttpFake, name: str, **metadata: str) -> Any:
    kind = scalers.find("gcp-pubsub")
    assert kind is not None
    endpoint = f"https://monitoring.googleapis.com:{fake.port}"
    texts = {"subscriptionName": name, "monitoringEndpoint": endpoint, **metadata}
    sources = Sources(texts, {}, {}, identity=Identity("gcp"))
    return reading.build(kind, Trigger(type="gcp-pubsub", metadata=texts), sources, Scope("shop"))


@asynccontextmanager
async def as_program(
    folder: Path, key: dict[str, Any] | None = None, **fields: Any
) -> AsyncIterator[tuple[FakeGoogle, HttpFake, dict[str, Any]]]:
    """Google over TLS, and the surroundings of a program whose default credentials are a key of its."""
    cloud = FakeGoogle(**fields)
    async with over_tls(cloud.answer) as (fake, around):
        path = folder / "key.json"
        path.write_text(key_file(fake.origin, **(key or {})))
        ground = Ground(Surroundings(timeout_s=10, **around), {"GOOGLE_APPLICATION_CREDENTIALS": str(path)})
        given = Identities(ground)
        try:
            yield cloud, fake, {**around, "identities": given}
        finally:
            await given.close()


async def test_a_thousand_triggers_with_one_identity_make_one_token_request(tmp_path: Path) -> None:
    many = points(**{f"s_{number:03}": number for number in range(1000)})
    async with as_program(tmp_path, points=many) as (cloud, fake, around):
        written = ("s-{:03}", "projects/shop-prod/subscriptions/s-{:03}")
        triggers = [as_identity(fake, written[number % 2].format(number)) for number in range(1000)]
        round = await one_round(triggers, **around)
        assert round.values == list(range(1000))
        assert len(cloud.tokens) == 1


async def test_triggers_of_two_servers_with_one_key_make_one_token_request(tmp_path: Path) -> None:
    async with as_program(tmp_path, points=points(s_7=7)) as (cloud, fake, around):
        private = fake.origin.replace("127.0.0.1", "monitoring-shop.p.googleapis.com")
        triggers = [build(fake.origin, "s-7"), build(fake.origin, "s-7", monitoringEndpoint=private)]
        round = await one_round(triggers, **around)
        assert round.values == [7, 7]
        assert len(round.adapters) == 2
        assert len(cloud.tokens) == 1


async def test_a_name_alone_is_unknown_where_no_project_is(tmp_path: Path) -> None:
    key = {"project_id": None}
    async with as_program(tmp_path, key, points=points(orders=4)) as (_cloud, fake, around):
        whole = as_identity(fake, "projects/shop-prod/subscriptions/orders")
        values = (await one_round([as_identity(fake, "orders"), whole], **around)).values
    assert "name the project in the trigger" in values[0]
    assert values[1] == 4


async def test_where_nobody_gives_identities_the_trigger_is_unknown() -> None:
    trigger = as_identity(HttpFake(says(""), port=1), "projects/shop-prod/subscriptions/orders")
    (value,) = (await one_round([trigger])).values
    assert "cannot log in with the gcp identity: no identities are at hand here" in value


async def test_a_token_of_an_identity_that_is_refused_is_replaced_in_the_same_round(tmp_path: Path) -> None:
    async with as_program(tmp_path, points=points(orders=4)) as (cloud, fake, around):
        for _ in range(2):
            cloud.revoked.update(cloud.tokens)
            assert (await one_round([as_identity(fake, "orders")], **around)).values == [4]
    assert len(cloud.tokens) == 2


async def test_triggers_on_google_s_managed_prometheus_share_the_token_too(tmp_path: Path) -> None:
    async with as_program(tmp_path) as (cloud, fake, around):
        cloud.promql = {f"q{number}": number for number in range(20)}
        address = f"https://monitoring.googleapis.com:{fake.port}/v1/projects/p/location/global/prometheus"
        triggers = []
        for number in range(1000):
            texts = {"serverAddress": address, "query": f"q{number % 20}", "threshold": "1"}
            kind: Any = scalers.find("prometheus")
            sources = Sources(texts, {}, {}, identity=Identity("gcp"))
            trigger = Trigger(type="prometheus", metadata=texts)
            triggers.append(reading.build(kind, trigger, sources, Scope("shop")))
        round = await one_round(triggers, **around)
        assert round.values == [number % 20 for number in range(1000)]
        assert len(fake.requests) == 21, "a token, and each query once"
        cloud.revoked.update(cloud.tokens)
        assert (await one_round(triggers[:1], **around)).values == [0]
        assert len(cloud.tokens) == 2, "a token that is refused is replaced at once"


async def test_a_token_of_an_identity_is_shown_to_no_stranger(tmp_path: Path) -> None:
    async with as_program(tmp_path, points=points(orders=4)) as (cloud, fake, around):
        for origin in (fake.origin, "https://googleapis.com.example", "http://monitoring.googleapis.com"):
            asked = GcpServer("monitoring", None, origin, Identity("gcp"))
            adapter: Any = connect(asked, Surroundings(**around))
            with pytest.raises(Misconfigured, match="its token goes to googleapis"):
                raise (await adapter.answer([point(asked, "orders")]))[0]
            await adapter.close()
        assert cloud.tokens == []


async def test_who_pays_is_said_for_a_person(tmp_path: Path) -> None:
    key = {"quota_project_id": "shop-billing"}
    async with as_program(tmp_path, key, points=points(orders=4)) as (_cloud, fake, around):
        assert (await one_round([as_identity(fake, "orders")], **around)).values == [4]
        assert fake.requests[-1].headers["x-goog-user-project"] == "shop-billing"


# --- tokens


async def test_a_claim_is_signed_for_the_scope_and_its_token_kept() -> None:
    async with google(points=points(orders=4)) as (cloud, fake):
        asked = server(fake.origin)
        async with asking(asked) as adapter:
            for _ in range(3):
                assert await adapter.answer([point(asked, "orders")]) == [4]
    (claim,) = cloud.claims
    assert (claim["iss"], claim["scope"], claim["aud"]) == (EMAIL, SCOPE, f"{fake.origin}/token")
    assert abs(claim["iat"] - time.time()) < 60
    sent = [one.headers.get("Authorization") for one in fake.requests]
    assert sent == [None] + [f"Bearer {cloud.tokens[0]}"] * 3


@asynccontextmanager
async def tokens_from(fake: HttpFake) -> AsyncIterator[Any]:
    login = HttpLogin(token=IdentityToken(read_account(key_file(fake.origin)), SCOPE))
    tokens: Any = HeldToken(HttpServer(fake.origin, login), Surroundings(timeout_s=10))
    try:
        yield tokens
    finally:
        await tokens.close()


async def test_many_who_wait_for_a_token_are_one_request() -> None:
    async with google() as (cloud, fake), tokens_from(fake) as tokens:
        headers = await asyncio.gather(*(tokens.headers() for _ in range(20)))
    assert headers == [{"Authorization": f"Bearer {cloud.tokens[0]}"}] * 20
    assert len(cloud.tokens) == 1


async def test_a_token_that_is_used_up_is_replaced() -> None:
    async with google(life_s=0.001) as (cloud, fake), tokens_from(fake) as tokens:
        headers = [await tokens.headers() for _ in range(3)]
    assert headers == [{"Authorization": f"Bearer {one}"} for one in cloud.tokens]
    assert len(cloud.tokens) == 3


async def test_a_token_that_is_refused_is_fetched_anew_at_once_and_only_once() -> None:
    async with google(points=points(orders=4)) as (cloud, fake):
        asked = server(fake.origin)
        async with asking(asked) as adapter:
            assert await adapter.answer([point(asked, "orders")]) == [4]
            cloud.revoked.update(cloud.tokens)
            assert await adapter.answer([point(asked, "orders")]) == [4]
            assert len(cloud.tokens) == 2
            cloud.revoked.update(cloud.tokens)
            with pytest.raises(Denied, match=r"401 Unauthorized \(UNAUTHENTICATED\)") as caught:
                await adapter.answer([point(asked, "orders")])
            assert "hunter2" not in str(caught.value) + caught.value.excerpt
            with pytest.raises(Denied):
                await adapter.answer([point(asked, name) for name in ("orders", "a-1", "b-1")])
    assert len(cloud.tokens) == 2, "whoever refuses a new token, too, does not get one after the other"


async def test_a_wrong_key_is_denied_once_for_all_and_never_shown() -> None:
    stranger = key_text(rsa.generate_private_key(65537, 2048))
    async with google() as (_cloud, fake):
        asked = server(fake.origin, private_key=stranger)
        error = await told(asked, *(point(asked, "orders", project=f"p{number}") for number in range(40)))
        assert len(fake.requests) == 1
    assert isinstance(error, Denied)
    assert f"cannot get an access token for {EMAIL}" in str(error)
    assert "400 Bad Request (invalid_grant)" in str(error)
    assertion = fake.bodies[0].decode().partition("assertion=")[2]
    assert assertion not in str(error) + error.excerpt
    assert "***" in error.excerpt


@pytest.mark.parametrize("key", ["hunter2", key_text()[:200] + "hunter2", "-----BEGIN PRIVATE KEY-----"])
async def test_a_key_that_cannot_be_read_is_told_without_it(key: str) -> None:
    error = await told(server("http://127.0.0.1:1", private_key=key))
    assert isinstance(error, Misconfigured)
    assert "private_key is no RSA key in PEM form" in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({}, 200, Malformed),
        ("no json", 200, Malformed),
        ([], 200, Malformed),
        ({"access_token": ""}, 200, Malformed),
        ({"access_token": "a\nb"}, 200, Malformed),
        ({"access_token": "t", "expires_in": "soon"}, 200, Malformed),
        ({"error": "temporarily_unavailable"}, 503, Unreachable),
        ({"error": {"hunter2": 1}}, 403, Denied),
        ("", 302, Malformed),
    ],
)
async def test_a_token_server_that_gives_none_is_told(body: Any, status: int, kind: type[Exception]) -> None:
    async with answering(says(body, status)) as fake:
        error = await told(server(fake.origin))
    assert isinstance(error, kind), error
    assert "get an access token" in str(error)
    assert "hunter2" not in str(error)


async def test_on_a_cluster_no_metadata_server_is_asked_for_tokens() -> None:
    account = read_account(key_file("http://169.254.169.254"))
    adapter = connect(
        GcpServer("monitoring", account, "http://169.254.169.254"),
        Surroundings(policy=AddressPolicy.on_a_cluster(), timeout_s=2),
    )
    asked = GcpServer("monitoring", account, "http://169.254.169.254")
    (error,) = await adapter.answer([point(asked, "orders")])
    assert isinstance(error, Misconfigured)
    await adapter.close()


async def test_without_an_account_nothing_is_asked() -> None:
    asked = GcpServer("monitoring")
    with pytest.raises(Unsupported, match="no service account is given"):
        async with asking(asked) as adapter:
            await adapter.answer([point(asked, "orders")])


# --- refusals and faults


async def test_a_project_that_may_not_be_read_fails_alone() -> None:
    async with google(points=points(orders=4)) as (_cloud, fake):
        asked = server(fake.origin)
        async with asking(asked) as adapter:
            good, bad, gone = await adapter.answer(
                [
                    point(asked, "orders"),
                    point(asked, "orders", project="elsewhere"),
                    point(asked, "orders", metric="pubsub.googleapis.com/subscription/no_such_metric"),
                ]
            )
        assert good == 4
        assert isinstance(bad, Denied)
        assert "403 Forbidden (PERMISSION_DENIED); give the account the role Monitoring Viewer" in str(bad)
        assert isinstance(gone, Misconfigured)
        assert "404 Not Found (NOT_FOUND)" in str(gone)
        with pytest.raises(Denied):
            async with asking(asked) as adapter:
                await adapter.answer([point(asked, "orders", project="elsewhere")])


async def test_an_incomplete_list_says_nothing_of_what_is_missing() -> None:
    async with google(points=points(orders=4), errors=[{"code": 4, "message": "late"}]) as (_cloud, fake):
        triggers = [build(fake.origin, "orders"), build(fake.origin, "quiet", valueIfNull="0")]
        values = (await one_round(triggers, timeout_s=10)).values
    assert values[0] == 4
    assert "the list is incomplete" in values[1]


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_service_in_trouble_is_unreachable_and_never_a_zero(status: int) -> None:
    async with google(points=points(orders=4), status=status) as (_cloud, fake):
        (value,) = (await one_round([build(fake.origin, "orders", valueIfNull="0")], timeout_s=10)).values
    assert str(status) in value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b"\xff",
        b'{"timeSeries": "none"}',
        b'{"timeSeries": [5]}',
        b'{"timeSeries": [{"points": [{}]}]}',
        b'{"timeSeries": [{"resource": {"labels": {"subscription_id": "orders"}}, "points": [{}]}]}',
        b'{"timeSeries": [{"resource": {"labels": {"subscription_id": "orders"}}, "points": 5}]}',
    ],
)
async def test_an_answer_of_another_shape_is_malformed_and_never_nothing(body: bytes) -> None:
    cloud = FakeGoogle()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return await cloud.answer(request)
        return web.Response(body=body, content_type="application/json")

    async with answering(answer) as fake:
        error = await told(server(fake.origin))
    assert isinstance(error, Malformed)


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_token_server_is_unreachable_as_a_whole(fault: Any) -> None:
    async with fault() as bad:
        error = await told(server(f"http://{bad.address}"), timeout_s=0.5)
    assert isinstance(error, Unreachable | Malformed)
    assert "PRIVATE KEY" not in str(error)


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_service_is_unreachable_as_a_whole(fault: Any) -> None:
    async with google() as (cloud, fake), fault() as bad:
        asked = GcpServer("monitoring", read_account(key_file(fake.origin)), f"http://{bad.address}")
        error = await told(asked, timeout_s=0.5)
    assert isinstance(error, Unreachable | Malformed)
    assert cloud.tokens[0] not in str(error)


async def test_names_that_do_not_resolve_and_ten_megabytes_are_told() -> None:
    assert isinstance(await told(server(f"http://{faults.NOWHERE}"), timeout_s=2), Unreachable)
    async with google() as (_cloud, fake), faults.huge(b'{"timeSeries": ["', b'"]}') as bad:
        asked = GcpServer("monitoring", read_account(key_file(fake.origin)), f"http://{bad.address}")
        error = await told(asked, timeout_s=20)
    assert isinstance(error, Malformed)
    assert "larger than" in str(error)


async def test_a_service_that_comes_back_answers_the_next_question() -> None:
    cloud = FakeGoogle(points=points(orders=4))
    async with answering(cloud.answer) as fake:
        port, asked = fake.port, server(fake.origin)
    async with asking(asked, 2) as adapter:
        with pytest.raises(Unreachable):
            await adapter.answer([point(asked, "orders")])
        await asyncio.sleep(1.05)  # a token that was refused is not asked for again within a second
        async with answering(cloud.answer, port=port):
            assert await adapter.answer([point(asked, "orders")]) == [4]


def test_no_text_of_a_server_shows_its_key() -> None:
    asked = server("http://127.0.0.1:1")
    secret = json.loads(key_file(""))["private_key"].splitlines()[1]
    assert secret not in repr(asked) + asked.label() + repr(point(asked, "orders"))
    assert EMAIL in asked.label()
