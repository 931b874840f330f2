"""The openstack triggers against fakes of Keystone, Gnocchi and Swift on one port.

Source: https://docs.openstack.org/api-ref/identity/v3/ (tokens, catalogues), https://gnocchi.osci.io/rest.html
(measures) and https://docs.openstack.org/api-ref/object-store/ (HEAD of a container).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering
from parts.http_trigger import SECRET, HttpCase, asking, build
from parts.one_round import one_round

LOGIN = {
    "methods": ["application_credential"],
    "application_credential": {"id": "app", "secret": SECRET},
}
METRIC = {
    "metricsURL": "{origin}/gnocchi/v1/metric",
    "metricID": "m",
    "aggregationMethod": "mean",
    "granularity": "300",
    "threshold": "10",
}
SWIFT = {"containerName": "uploads", "objectCount": "10"}
APP = {"authURL": "{origin}/identity", "appCredentialID": "app", "appCredentialSecret": SECRET}
USER = {"authURL": "{origin}/identity/v3/", "userID": "u", "password": SECRET, "projectID": "p"}

MEASURES: dict[str, Any] = {
    "half": [["2026-03-04T12:00:00+00:00", 300.0, 9], ["2026-03-04T12:05:00+00:00", 300.0, 2.5]],
    "none": [],
    "text": [["t", 300.0, "7"]],
    "short": [["t", 300.0]],
    "object": {"measures": []},
}
COUNTS = {"uploads": "7", "empty": "0", "strange": "many"}


class Cloud:
    """Gives tokens `t1`, `t2`, … of which those in `good` are known; counts what it is asked."""

    def __init__(self, life_s: float = 3600, region: str = "One", may_list: bool = True) -> None:
        self.may_list = may_list
        self.logins: list[Any] = []
        self.good: set[str] = set()
        self.life_s = life_s
        self.region = region

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/identity"):
            return await self.token(request)
        if request.headers.get("X-Auth-Token") not in self.good:
            return web.json_response({"error": "never shown"}, status=401)
        if request.path.startswith("/gnocchi/v1/metric/"):
            name = request.path.split("/")[4]
            assert (request.query["aggregation"], request.query["granularity"]) == ("mean", "300")
            if name == "gone":
                return web.json_response({"description": "never shown"}, status=404)
            return web.json_response(MEASURES.get(name, [["t", 300.0, 7]]))
        if request.path.rstrip("/") == "/swift/v1/AUTH_p":
            assert (request.method, request.query["format"]) == ("GET", "json")
            if not self.may_list:
                return web.Response(status=403)
            listed = [{"name": f"c{n}", "count": 7, "bytes": 1} for n in range(200)]
            return web.json_response(listed)
        name = request.path.removeprefix("/swift/v1/AUTH_p/")
        assert (request.method, "/" in name) == ("HEAD", False), request.path
        if name == "gone":
            return web.Response(status=404)
        return web.Response(status=204, headers={"X-Container-Object-Count": COUNTS.get(name, "7")})

    async def token(self, request: web.Request) -> web.StreamResponse:
        assert (request.method, request.path) == ("POST", "/identity/v3/auth/tokens")
        auth = json.loads(await request.read())["auth"]
        self.logins.append(auth)
        if "hunter2-wrong" in json.dumps(auth):
            return web.json_response({"error": {"message": "never shown"}}, status=401)
        name = f"t{len(self.logins)}"
        self.good.add(name)
        ends = datetime.now(UTC) + timedelta(seconds=self.life_s)
        url = f"http://{request.host}/swift/v1/AUTH_p"
        places = [
            {"interface": "admin", "region": self.region, "url": "http://nowhere"},
            {"interface": "public", "region": self.region, "url": url},
        ]
        catalog = [{"type": "identity", "endpoints": []}, {"type": "object-store", "endpoints": places}]
        token = {"expires_at": ends.isoformat().replace("+00:00", "Z"), "catalog": catalog}
        return web.json_response({"token": token}, status=201, headers={"X-Subject-Token": name})


HTTP_METRIC = HttpCase(
    "openstack-metric",
    METRIC,
    Cloud(),
    7,
    APP,
    requests=2,
    another=lambda n: {"metricID": f"m{n}"},
    apart=201,
)
HTTP_SWIFT = HttpCase(
    "openstack-swift",
    SWIFT,
    Cloud(),
    7,
    APP,
    requests=2,
    another=lambda n: {"containerName": f"c{n}"},
    apart=2,
)


def made(kind: str, origin: str, auth: dict[str, str] | None = None, **metadata: str) -> Any:
    base = METRIC if kind == "openstack-metric" else SWIFT
    texts = {key: text.replace("{origin}", origin) for key, text in {**base, **metadata}.items()}
    return build(kind, texts, {key: text.replace("{origin}", origin) for key, text in (auth or APP).items()})


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("half", 2.5),
        ("none", 0),
        ("text", "the last measure holds no number"),
        ("short", "the last measure holds no number"),
        ("object", "the answer is no list of measures"),
        ("gone", "404 Not Found; check `metricsURL` and `metricID`"),
    ],
)
async def test_the_last_measure_counts(metric: str, said: Any) -> None:
    async with answering(Cloud()) as fake:
        value, good = (
            await one_round([made("openstack-metric", fake.origin, metricID=one) for one in (metric, "m")])
        ).values
        assert good == 7
        assert value == said or str(said) in str(value)


async def test_the_window_begins_a_granularity_ago_in_universal_time() -> None:
    async with answering(Cloud()) as fake:
        url = "{origin}/gnocchi/v1/metric?x=1"
        assert (await one_round([made("openstack-metric", fake.origin, metricsURL=url)])).values == [7]
        sent = fake.requests[1].query
        start = datetime.fromisoformat(sent["start"]).replace(tzinfo=UTC)
        assert sent["x"] == "1"
        assert timedelta(minutes=4) <= datetime.now(UTC) - start <= timedelta(minutes=5, seconds=30)


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ("uploads", 7),
        ("empty", 0),
        ("strange", "the answer has no X-Container-Object-Count"),
        ("gone", "404 Not Found; check `containerName`"),
    ],
)
async def test_objects_are_counted(container: str, said: Any) -> None:
    async with answering(Cloud()) as fake:
        for url in ({}, {"swiftURL": "{origin}/swift/v1/AUTH_p"}, {"swiftURL": "{origin}/swift/v1/AUTH_p/"}):
            one = made("openstack-swift", fake.origin, containerName=container, **url)
            (value,) = (await one_round([one])).values
            assert value == said or str(said) in str(value)


@pytest.mark.parametrize(("may_list", "requests"), [(True, 1 + 1 + 2), (False, 1 + 1 + 12)])
async def test_many_containers_are_listed_and_what_is_not_listed_is_asked_for(
    may_list: bool, requests: int
) -> None:
    async with answering(Cloud(may_list=may_list)) as fake:
        names = [*(f"c{n}" for n in range(10)), "uploads", "gone"]
        round = await one_round([made("openstack-swift", fake.origin, containerName=one) for one in names])
        assert round.values[:11] == [7] * 11
        assert "404 Not Found; check `containerName`" in round.values[11]
        assert len(fake.requests) == requests


@pytest.mark.parametrize(
    ("auth", "login"),
    [
        (APP, LOGIN),
        (USER, {"methods": ["password"], "password": {"user": {"id": "u", "password": SECRET}}}),
        ({**USER, **APP, "authURL": USER["authURL"]}, LOGIN),
    ],
)
async def test_a_login_is_sent_as_it_should(auth: dict[str, str], login: dict[str, Any]) -> None:
    cloud = Cloud()
    async with answering(cloud) as fake:
        assert (await one_round([made("openstack-swift", fake.origin, auth)])).values == [7]
        assert cloud.logins[0]["identity"] == login
        assert ("scope" in cloud.logins[0]) is ("password" in login["methods"])


async def test_a_token_is_kept_and_replaced_when_it_ends_or_is_taken_back() -> None:
    cloud = Cloud()
    async with answering(cloud) as fake, asking() as ask:
        one = made("openstack-metric", fake.origin)
        assert [await ask(one), await ask(one)] == [7, 7]
        assert len(cloud.logins) == 1
        cloud.good.clear()
        assert await ask(one) == 7
        assert len(cloud.logins) == 2
        cloud.life_s = -1
        cloud.good.clear()
        assert await ask(one) == 7
        assert await ask(one) == 7
        assert len(cloud.logins) == 4


async def test_a_wrong_password_asks_keystone_once_and_is_denied() -> None:
    cloud = Cloud()
    async with answering(cloud) as fake:
        wrong = {**APP, "appCredentialSecret": "hunter2-wrong"}
        round = await one_round(
            [made("openstack-metric", fake.origin, wrong, metricID=f"m{n}") for n in range(50)]
        )
        assert {one.failure.kind for one in round.readings if one.failure} == {"Denied"}
        assert all("401 Unauthorized; check `authURL` and the credentials" in said for said in round.values)
        assert not any("hunter2" in said or "never shown" in said for said in round.values)
        assert len(cloud.logins) == 1


async def test_a_region_without_an_object_store_is_told() -> None:
    async with answering(Cloud()) as fake:
        auth = {**APP, "regionName": "Two"}
        (said,) = (await one_round([made("openstack-swift", fake.origin, auth)])).values
        assert "its catalogue has no object store; check `regionName`" in said
        auth = {**APP, "regionName": "One"}
        assert (await one_round([made("openstack-swift", fake.origin, auth)])).values == [7]


@pytest.mark.parametrize(
    ("kind", "metadata", "auth", "path"),
    [
        ("openstack-metric", {"granularity": "0"}, APP, "granularity"),
        ("openstack-metric", {"metricsURL": "x"}, APP, "metricsURL"),
        ("openstack-metric", {"timeout": "0"}, APP, "timeout"),
        ("openstack-metric", {}, {"authURL": "http://h"}, "userID"),
        ("openstack-metric", {}, {"authURL": "http://h", "userID": "u"}, "password"),
        ("openstack-metric", {}, {"authURL": "http://h", "appCredentialSecret": "s"}, "appCredentialID"),
        ("openstack-swift", {}, {"authURL": "http://h", "userID": "u", "password": "p"}, "projectID"),
        ("openstack-swift", {}, {"authURL": "http://h", "appCredentialID": "a"}, "appCredentialSecret"),
        ("openstack-swift", {}, {"authURL": "http://h"}, "userID"),
        ("openstack-swift", {}, {**APP, "authURL": "h"}, "authURL"),
        ("openstack-swift", {"containerName": "a/b"}, APP, "containerName"),
        ("openstack-swift", {"onlyFiles": "yes"}, APP, "onlyFiles"),
    ],
)
def test_a_mistake_is_told(kind: str, metadata: dict[str, str], auth: dict[str, str], path: str) -> None:
    assert [one.path for one in made(kind, "http://h", auth, **metadata)] == [path]


def test_metrics_are_called_as_in_keda() -> None:
    assert made("openstack-metric", "http://h", metricID="a.b").metric_name() == "openstack-metric-a-b"
    assert made("openstack-swift", "http://h").metric_name() == "openstack-swift-uploads"
    assert (
        made("openstack-swift", "http://h", objectPrefix="x/").metric_name() == "openstack-swift-uploads-x-"
    )
