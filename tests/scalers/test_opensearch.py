"""The opensearch trigger: how it logs in. What it shares with elasticsearch is tested there."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.http import HttpLogin, basic
from tidegate.kit.tls import Tls
from tidegate.testing.sheets import Sample

SAMPLES = {"opensearch": Sample(may_be_negative=True)}

ADDRESSES = {
    "addresses": "https://a:9200",
    "username": "u",
    "password": "p",
    "index": "orders",
    "query": "{}",
    "valueLocation": "hits.total.value",
    "targetValue": "5",
}


def build(kind: str, metadata: dict[str, str]) -> Any:
    found = scalers.find(kind)
    assert found is not None
    trigger = Trigger(type=kind, metadata=metadata)
    return reading.build(found, trigger, Sources(metadata, {}, {}), Scope("shop"))


def without(names: str) -> dict[str, str]:
    return {key: value for key, value in ADDRESSES.items() if key not in names.split()}


def test_opensearch_shows_a_certificate_in_the_place_of_a_user() -> None:
    pair = {"clientCert": "C", "clientKey": "K", "caCert": "A", "enableTLS": "true"}
    server = build("opensearch", {**ADDRESSES, **pair}).server()
    assert (server.login, server.tls) == (HttpLogin(), Tls("A", "C", "K"))
    plain = build("opensearch", {**ADDRESSES, **pair, "enableTLS": "false"}).server()
    assert (plain.login, plain.tls) == (HttpLogin((basic("u", "p"),)), Tls("A"))


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        (without("addresses"), "addresses", "missing required parameter"),
        (without("password"), "password", "must be provided for basic auth"),
        (
            {**without("username password"), "enableTLS": "true"},
            "clientCert",
            "must be provided when enableTLS",
        ),
        (
            {**ADDRESSES, "enableTLS": "true", "clientCert": "C"},
            "clientKey",
            "must be provided when enableTLS",
        ),
    ],
)
def test_an_opensearch_is_named_with_its_login(metadata: dict[str, str], path: str, message: str) -> None:
    problems = build("opensearch", metadata)
    assert [one.path for one in problems] == [path]
    assert message in problems[0].message
