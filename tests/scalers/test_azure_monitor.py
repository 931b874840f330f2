"""The azure-monitor trigger against a fake of the resource manager and of a region's metrics interface.

Source: https://learn.microsoft.com/rest/api/monitor/metrics/list and
https://learn.microsoft.com/rest/api/monitor/metrics-batch/batch
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.http_trigger import SECRET, Elsewhere, HttpCase, build
from parts.one_round import one_round
from tidegate.kit.identity import Identity, ServicePrincipal
from tidegate.kit.question import ASK
from tidegate.testing.sheets import Sample

SAMPLES = {"azure-monitor": Sample(may_be_negative=True)}

BASE = {
    "resourceURI": "Microsoft.ServiceBus/namespaces/shop",
    "subscriptionId": "sub",
    "resourceGroupName": "group",
    "tenantId": "tenant",
    "metricName": "ActiveMessages",
    "metricAggregationType": "Average",
    "targetValue": "50",
    "activeDirectoryClientId": "client",
}
AUTH = {"activeDirectoryClientPassword": SECRET}

POINTS: dict[str, list[dict[str, Any]]] = {
    "unfinished": [{"average": 4.0}, {"average": 5.5}, {}],
    "null": [{"average": 6.0}, {"average": None}],
    "zero": [{"average": 3.0}, {"average": 0.0}],
    "other": [{"total": 9.0}],
    "none": [],
    "text": [{"average": "7"}],
}


def entry(name: str, aggregation: str) -> dict[str, Any]:
    data = POINTS.get(
        name.rpartition("-")[2], [{"timeStamp": "2026-03-04T11:59:00Z", aggregation.lower(): 7.0}]
    )
    series = (
        [] if name == "seriesless" else [{"metadatavalues": [], "data": data}, {"data": [{"average": 99.0}]}]
    )
    return {"name": {"value": name}, "unit": "Count", "timeseries": series, "errorCode": "Success"}


async def azure(request: web.Request) -> web.StreamResponse:
    """Both interfaces, as far as triggers ask them; a metric of the name `unknown` spoils its call."""
    query = request.query
    names = query["metricnames"].split(",")
    assert query["api-version"] == "2024-02-01"
    if "unknown" in names:
        error = {"code": "BadRequest", "message": "never shown"}
        return web.json_response({"error": error}, status=400)
    listed = [entry(name, query["aggregation"]) for name in names]
    if request.method == "GET":
        assert len(names) <= 20
        assert request.path.endswith("/providers/Microsoft.Insights/metrics")
        begin, _, end = query["timespan"].partition("/")
        assert begin < end
        return web.json_response({"cost": 0, "interval": "PT1M", "value": listed})
    assert request.path == "/subscriptions/sub/metrics:getBatch"
    assert query["metricnamespace"] == "Microsoft.ServiceBus/namespaces"
    ids = json.loads(await request.read())["resourceids"]
    assert 0 < len(ids) <= 50
    kept = [one.upper() for one in ids if "/gone" not in one]
    return web.json_response({"values": [{"resourceid": one, "value": listed} for one in kept]})


HTTP = HttpCase(
    "azure-monitor", BASE, azure, 7, AUTH, is_fixed=True, another=lambda n: {"metricName": f"m{n}"}, apart=10
)  # fmt: skip
HTTP_REGION = HttpCase(
    "azure-monitor",
    {**BASE, "region": "westeurope"},
    azure,
    7,
    AUTH,
    is_fixed=True,
    another=lambda n: {"resourceURI": f"Microsoft.ServiceBus/namespaces/shop{n}"},
    apart=4,
)


def made(origin: str, **metadata: str) -> Any:
    return Elsewhere(build("azure-monitor", {**BASE, **metadata}, AUTH), origin)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("plain", 7),
        ("m-unfinished", 5.5),
        ("m-null", 6),
        ("m-zero", 0),
        ("m-other", "m-other has no average in the last 300 s"),
        ("m-none", "m-none has no data in the last 300 s"),
        ("seriesless", "seriesless has no data in the last 300 s"),
        ("m-text", "a text"),
        ("unknown", "400 Bad Request (BadRequest)"),
    ],
)
async def test_the_newest_point_that_has_the_aggregation_counts(metric: str, said: Any) -> None:
    async with answering(azure) as fake:
        alone, beside = made(fake.origin, metricName=metric), made(fake.origin)
        first = (await one_round([alone])).values[0]
        second, good = (await one_round([alone, beside])).values
        assert good == 7
        for value in (first, second):
            assert value == said or str(said) in str(value)
            assert "never shown" not in str(value)


async def test_a_resource_that_is_left_out_of_a_batch_is_a_failure_of_its_own() -> None:
    async with answering(azure) as fake:
        here = made(fake.origin, region="westeurope")
        gone = made(fake.origin, region="westeurope", resourceURI="Microsoft.ServiceBus/namespaces/gone")
        good, missing = (await one_round([here, gone])).values
        assert good == 7
        assert "no metrics of the resource" in str(missing)
        assert len(fake.requests) == 1


async def test_other_windows_aggregations_and_filters_travel_apart() -> None:
    async with answering(azure) as fake:
        triggers = [
            made(fake.origin),
            made(fake.origin, metricAggregationType="Total"),
            made(fake.origin, metricAggregationInterval="0:10:0"),
            made(fake.origin, metricFilter="EntityName eq 'a b'"),
            made(fake.origin, metricNamespace="custom"),
        ]
        assert (await one_round(triggers)).values == [7] * 5
        queries = [one.query for one in fake.requests]
        assert len(queries) == 5
        assert sorted(one.get("$filter", "") for one in queries)[-1] == "EntityName eq 'a b'"
        assert sorted(one.get("metricnamespace", "") for one in queries)[-1] == "custom"


@pytest.mark.parametrize("body", [{"value": 7}, {"value": [{"name": "x"}]}, {"values": []}])
async def test_an_answer_of_another_shape_is_a_failure(body: Any) -> None:
    async with answering(says(body)) as fake:
        assert isinstance((await one_round([made(fake.origin)])).values[0], str)


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"resourceURI": "a/b"}, "resourceURI"),
        ({"resourceURI": "a/b/c/d"}, "resourceURI"),
        ({"metricName": "a,b"}, "metricName"),
        ({"metricAggregationType": "average"}, "metricAggregationType"),
        ({"metricAggregationType": "None"}, "metricAggregationType"),
        ({"metricAggregationInterval": "5m"}, "metricAggregationInterval"),
        ({"metricAggregationInterval": "0:x:0"}, "metricAggregationInterval"),
        ({"targetValue": "0"}, "targetValue"),
        ({"activeDirectoryClientId": ""}, "activeDirectoryClientId"),
        ({"cloud": "AzureGermanCloud"}, "cloud"),
        ({"cloud": "Private"}, "azureResourceManagerEndpoint"),
        (
            {"cloud": "Private", "azureResourceManagerEndpoint": "http://arm.example"},
            "azureResourceManagerEndpoint",
        ),
        ({"region": "evil.example/"}, "region"),
        ({"region": "westeurope", "cloud": "AzureChinaCloud"}, "region"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str) -> None:
    assert [one.path for one in build("azure-monitor", {**BASE, **metadata}, AUTH)] == [path]


def server_of(metadata: dict[str, str], identity: Any = None) -> Any:
    """Whom the trigger asks, and as whom."""
    from dataclasses import replace

    built = replace(build("azure-monitor", {**BASE, **metadata}, AUTH), identity=identity)
    try:
        (question,) = built.measure(ASK, None).send(None)
    except StopIteration:  # pragma: no cover
        raise AssertionError from None
    return question.server


@pytest.mark.parametrize(
    ("metadata", "origin", "audience", "authority"),
    [
        ({}, "https://management.azure.com", "https://management.azure.com/.default", ""),
        (
            {"cloud": "azureusgovernmentcloud"},
            "https://management.usgovcloudapi.net",
            "https://management.usgovcloudapi.net/.default",
            "https://login.microsoftonline.us",
        ),
        (
            {"cloud": "AzureChinaCloud"},
            "https://management.chinacloudapi.cn",
            "https://management.chinacloudapi.cn/.default",
            "https://login.chinacloudapi.cn",
        ),
        (
            {"cloud": "Private", "azureResourceManagerEndpoint": "https://arm.example/"},
            "https://arm.example",
            "https://arm.example/.default",
            "",
        ),
        (
            {"region": "WestEurope"},
            "https://westeurope.metrics.monitor.azure.com",
            "https://metrics.monitor.azure.com/.default",
            "",
        ),
    ],
)
def test_each_cloud_has_its_hosts_and_its_audience(
    metadata: dict[str, str], origin: str, audience: str, authority: str
) -> None:
    server = server_of(metadata)
    assert (server.origin, server.token.audience) == (origin, audience)
    assert server.token.identity == ServicePrincipal("client", "tenant", SECRET, authority_host=authority)
    named = Identity("azure-workload", client_id="another")
    assert server_of(metadata, named).token.identity == named
