"""The elasticsearch and opensearch triggers: whom they ask as whom, and what; which mistakes they tell."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.elasticsearch import SearchServer
from tidegate.kit.systems.http import HttpLogin, basic
from tidegate.kit.tls import Tls
from tidegate.testing.sheets import Sample

SAMPLES = {"elasticsearch": Sample(may_be_negative=True)}

USER = {"username": "u", "password": "p"}
BASE = {"index": "orders", "query": "{}", "valueLocation": "hits.total.value", "targetValue": "5"}
ADDRESSES = {**BASE, "addresses": "https://a:9200,https://b:9200/x/", **USER}
CLOUD_ID = "shop:" + base64.b64encode(b"eu.example.org:443$abc$def").decode()
CLOUD = {**BASE, "cloudID": CLOUD_ID, "apiKey": "aWQ6a2V5"}
KINDS = pytest.mark.parametrize("kind", ["elasticsearch", "opensearch"])


def build(kind: str, metadata: dict[str, str], auth: dict[str, str] | None = None, **env: str) -> Any:
    found = scalers.find(kind)
    assert found is not None
    trigger = Trigger(type=kind, metadata=metadata)
    return reading.build(found, trigger, Sources(metadata, env, auth or {}), Scope("shop"))


def search(kind: str = "elasticsearch", **metadata: str) -> Any:
    return build(kind, {**ADDRESSES, **metadata}).search()


@KINDS
def test_addresses_and_user_make_the_server(kind: str) -> None:
    name = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}[kind]
    addresses = ("https://a:9200", "https://b:9200/x")
    login = HttpLogin((basic("u", "p"),))
    assert build(kind, ADDRESSES).server() == SearchServer(addresses, login, Tls(), name)
    other = build(kind, {**ADDRESSES, "addresses": "http://me:own@a:9200", "unsafeSsl": "true"})
    assert other.server() == SearchServer(("http://a:9200",), HttpLogin((basic("me", "own"),)), None, name)
    metadata = {**ADDRESSES, "passwordFromEnv": "PW", "password": ""}
    assert build(kind, metadata, PW="e").server().login == HttpLogin((basic("u", "e"),))


def test_a_cloud_id_names_a_deployment() -> None:
    server = build("elasticsearch", CLOUD).server()
    login = HttpLogin((("Authorization", "ApiKey aWQ6a2V5"),))
    assert server == SearchServer(("https://abc.eu.example.org",), login, Tls())


@pytest.mark.parametrize(
    ("metadata", "path", "body"),
    [
        ({"query": '{"size":\n 0,\r\n"x": "\u2028"}'}, "/orders/_search", '{"size":  0,  "x": "\u2028"}'),
        ({"index": "a-*; b ;;<x-{now/d}>"}, "/a-*,b,%3Cx-%7Bnow%2Fd%7D%3E/_search", "{}"),
        ({"query": "", "searchTemplateName": "t"}, "/orders/_search/template", '{"id":"t"}'),
        (
            {"query": "", "searchTemplateName": "t", "parameters": "a: 1 ; since:12:30;"},
            "/orders/_search/template",
            '{"id":"t","params":{"a":"1","since":"12:30"}}',
        ),
    ],
)
def test_a_search_is_sent_as_it_was_written(metadata: dict[str, str], path: str, body: str) -> None:
    asked = search(**metadata)
    assert (asked.path(), asked.body) == (path, body)
    assert json.loads(asked.body) is not None


@pytest.mark.parametrize(
    ("answer", "ignore", "expected"),
    [(7, "false", 7), (1.5, "false", 1.5), ("2.5", "false", 2.5), (-1, "false", -1), (None, "true", 0)],
)
def test_a_number_is_what_it_is(answer: Any, ignore: str, expected: float) -> None:
    scaler = build("elasticsearch", {**ADDRESSES, "ignoreNullValues": ignore})
    assert drive(scaler.measure(ASK, None), lambda _: answer) == expected


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "must point to value of type number but got: 'Null'"),
        (True, "'True'"),
        (False, "'False'"),
        ({}, "'JSON'"),
        ([1], "'JSON'"),
        ("many", "is not a number"),
        ("1k", "is not a number"),
        (float("nan"), "nan where a number was expected"),
    ],
)
def test_anything_else_is_malformed(answer: Any, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        drive(build("opensearch", ADDRESSES).measure(ASK, None), lambda _: answer)


def without(names: str, base: dict[str, str] = ADDRESSES) -> dict[str, str]:
    return {key: value for key, value in base.items() if key not in names.split()}


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({**CLOUD, "addresses": "https://a"}, "cloudID", "can't provide both cloud config and endpoint"),
        ({**CLOUD, "username": "u"}, "cloudID", "can't provide both cloud config and endpoint"),
        (without("apiKey", CLOUD), "apiKey", "both cloudID and apiKey must be provided"),
        (without("cloudID", CLOUD), "cloudID", "both cloudID and apiKey must be provided"),
        ({**CLOUD, "cloudID": "nonsense"}, "cloudID", "is not that of a deployment"),
        (BASE, "addresses", "must provide either cloud config or endpoint addresses"),
        (without("addresses"), "addresses", "go with addresses"),
        (without("password"), "password", "both username and password must be provided when addresses"),
        (without("username"), "username", "both username and password must be provided when addresses"),
    ],
)
def test_an_elasticsearch_is_named_in_one_way(metadata: dict[str, str], path: str, message: str) -> None:
    problems = build("elasticsearch", metadata)
    assert [one.path for one in problems] == [path]
    assert message in problems[0].message


@KINDS
@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({**ADDRESSES, "addresses": "a:9200"}, "addresses", '"a:9200" is not an absolute URL'),
        (without("query"), "query", "either searchTemplateName or query must be provided"),
        ({**ADDRESSES, "searchTemplateName": "t"}, "query", "cannot provide both"),
        ({**ADDRESSES, "query": "{"}, "query", "invalid query JSON"),
        ({**ADDRESSES, "query": "[]"}, "query", "invalid query JSON"),
        ({**ADDRESSES, "parameters": "a"}, "parameters", 'invalid parameter format "a", expected key:value'),
        ({**ADDRESSES, "parameters": "a:1;:2"}, "parameters", "expected key:value"),
        ({**ADDRESSES, "index": ";"}, "index", "no index is left"),
        ({**ADDRESSES, "valueLocation": "hits.hits[0].a.{b}"}, "valueLocation", "multipath"),
        (without("targetValue"), "targetValue", "missing required parameter"),
    ],
)
def test_a_mistake_is_told(kind: str, metadata: dict[str, str], path: str, message: str) -> None:
    problems = build(kind, metadata)
    assert [one.path for one in problems] == [path]
    assert message in problems[0].message


@KINDS
def test_the_metric_is_named_after_the_template(kind: str) -> None:
    assert build(kind, ADDRESSES).metric_name() == f"{kind}-query"
    template = build(kind, {**without("query"), "searchTemplateName": "by/state"})
    assert template.metric_name() == f"{kind}-by-state"
