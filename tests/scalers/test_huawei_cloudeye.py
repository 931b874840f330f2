"""The huawei-cloudeye trigger against a fake of batch-query-metric-data that checks signatures.

Source: https://support.huaweicloud.com/intl/en-us/api-ces/ces_03_0034.html and, for the signature,
https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering
from parts.http_trigger import SECRET, Elsewhere, HttpCase, build
from parts.one_round import one_round
from tidegate.kit.systems.huawei import signed
from tidegate.testing.sheets import Sample

SAMPLES = {"huawei-cloudeye": Sample(may_be_negative=True, auth={"ProjectID": "p", "Region": "eu-west-0"})}

BASE = {
    "namespace": "SYS.ELB",
    "metricName": "m",
    "dimensionName": "id",
    "dimensionValue": "1",
    "targetMetricValue": "10",
}
AUTH = {"ProjectID": "p", "Region": "eu-west-0", "AccessKey": "AK", "SecretKey": SECRET}
POINTS: dict[str, list[Any]] = {
    "newest": [{"average": 9, "timestamp": 1}, {"average": 2.5, "timestamp": 2}],
    "reversed": [{"average": 2.5, "timestamp": 2}, {"average": 9, "timestamp": 1}],
    "none": [],
    "other": [{"max": 3, "timestamp": 1}],
    "text": [{"average": "3", "timestamp": 1}],
    "timeless": [{"average": 3}],
}


def is_signed(request: web.Request, body: bytes) -> bool:
    """Made anew from what came, as the documentation says."""
    head = request.headers.get("Authorization", "")
    names = head.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    lines = [request.method, f"{request.path}/", ""]
    lines += [f"{name}:{request.headers[name]}" for name in names]
    lines += ["", ";".join(names), hashlib.sha256(body).hexdigest()]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = f"SDK-HMAC-SHA256\n{request.headers.get('X-Sdk-Date')}\n{digest}"
    made = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    return head.startswith("SDK-HMAC-SHA256 Access=AK, ") and head.endswith(f"Signature={made}")


async def cloudeye(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    if not is_signed(request, body):
        return web.json_response({"error_msg": "never shown"}, status=401)
    if request.path != "/V1.0/p/batch-query-metric-data":
        return web.json_response({}, status=404)
    asked = json.loads(body)
    assert asked["to"] % 60_000 == 0
    if len(asked["metrics"]) > 500 or any(one["metric_name"] == "bad" for one in asked["metrics"]):
        return web.json_response({"error_msg": "never shown"}, status=400)
    default = [{asked["filter"]: 7, "timestamp": asked["from"]}]
    found = [
        {**one, "unit": "x", "datapoints": POINTS.get(one["metric_name"], default)}
        for one in reversed(asked["metrics"])
        if one["metric_name"] != "gone"
    ]
    return web.json_response({"metrics": found})


HTTP = HttpCase(
    "huawei-cloudeye",
    BASE,
    cloudeye,
    7,
    AUTH,
    is_fixed=True,
    another=lambda n: {"metricName": f"m{n}"},
    apart=1,
)


def made(origin: str, **metadata: str) -> Any:
    return Elsewhere(build("huawei-cloudeye", {**BASE, **metadata}, AUTH), origin)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("newest", 2.5),
        ("reversed", 2.5),
        ("none", "metric Data not received; make `metricCollectionTime` longer"),
        ("gone", "the answer holds no such metric"),
        ("other", "nothing where a number was expected"),
        ("text", "a text where a number was expected"),
        ("timeless", "a point of the metric has no moment"),
        ("bad", "400 Bad Request"),
    ],
)
async def test_the_newest_point_counts(metric: str, said: Any) -> None:
    async with answering(cloudeye) as fake:
        value, good = (await one_round([made(fake.origin, metricName=metric), made(fake.origin)])).values
        assert good == 7
        assert value == said or str(said) in str(value)


async def test_other_windows_and_filters_are_asked_apart() -> None:
    async with answering(cloudeye) as fake:
        triggers = [
            made(
                fake.origin,
                metricName=f"m{n}",
                metricFilter=("max", "sum")[n % 2],
                metricCollectionTime="600",
            )
            for n in range(100)
        ]
        assert (await one_round([*triggers, made(fake.origin)])).values == [7] * 101
        assert len(fake.requests) == 3
        lengths = sorted((json.loads(one)["to"] - json.loads(one)["from"]) // 1000 for one in fake.bodies)
        assert lengths == [300, 600, 600]


def test_a_request_is_signed_as_documented() -> None:
    """Made by hand from the steps of the documentation: what is sent must not change without this."""
    made = signed(
        "GET", "https://h/v1/vpcs?marker=b&limit=2", b"", ("AK", "SK"), datetime(2026, 1, 2, tzinfo=UTC), {}
    )
    canonical = (
        "GET\n/v1/vpcs/\nlimit=2&marker=b\nhost:h\nx-sdk-date:20260102T000000Z\n\nhost;x-sdk-date\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    text = f"SDK-HMAC-SHA256\n20260102T000000Z\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(b"SK", text.encode(), hashlib.sha256).hexdigest()
    assert made == {
        "X-Sdk-Date": "20260102T000000Z",
        "Authorization": f"SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature={signature}",
    }


@pytest.mark.parametrize(
    ("metadata", "auth", "path"),
    [
        ({"minMetricValue": "1"}, {}, "minMetricValue"),
        ({"metricFilter": "avg"}, {}, "metricFilter"),
        ({"metricCollectionTime": "0"}, {}, "metricCollectionTime"),
        ({"metricPeriod": "5m"}, {}, "metricPeriod"),
        ({}, {"Region": "a/b"}, "Region"),
        ({}, {"SecretKey": ""}, "SecretKey"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str) -> None:
    problems = build("huawei-cloudeye", {**BASE, **metadata}, {**AUTH, **auth})
    assert [one.path for one in problems] == [path]


def test_the_metric_is_called_after_its_metric() -> None:
    assert (
        build("huawei-cloudeye", {**BASE, "metricName": "a.b"}, AUTH).metric_name() == "huawei-cloudeye-a-b"
    )
