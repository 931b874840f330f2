"""The metrics-api trigger: what it asks, what it finds in answers of all formats, how it merges endpoints."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed, Unreachable
from tidegate.kit import reading
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpServer, basic
from tidegate.kit.systems.kubernetes import Endpoint, ServiceEndpoints
from tidegate.kit.tls import Tls
from tidegate.testing.sheets import Sample

SAMPLES = {"metrics-api": Sample(may_be_negative=True)}

BASE = {"url": "http://shop.default:8080/stats", "valueLocation": "n", "targetValue": "5"}


def build(metadata: dict[str, str], auth: dict[str, str] | None = None, **scope: Any) -> Any:
    texts = {**BASE, **metadata}
    kind = scalers.find("metrics-api")
    assert kind is not None
    trigger = Trigger(type="metrics-api", metadata=texts)
    return reading.build(kind, trigger, Sources(texts, {}, auth or {}), Scope("shop", **scope))


def value(body: bytes, format: str, location: str) -> float:
    scaler = build({"format": format, "valueLocation": location})
    assert not isinstance(scaler, tuple), scaler

    def answer(question: HttpQuestion) -> Any:
        try:
            return question.pick.of(question.pick.read(body))
        except Unpicked as error:
            return Malformed("read", answer=str(error))

    return drive(scaler.measure(ASK, None), answer)  # type: ignore[arg-type]


JSON = b'{"a": {"n": 3, "t": "10Mi", "m": "100m", "b": true, "z": null, "x": "many", "l": [1], "o": {}}}'
YAML = b"a: {n: 3, t: 1k, b: true, z: ~, x: many, l: [1, 2.5]}"
XML = b"<a><n>3</n><t>1.5</t><x>many</x><l>1</l><l>2.5</l></a>"
TEXT = b'n{a="b"} 3\nn 4\nnan NaN\ninf +Inf\n'


@pytest.mark.parametrize(
    ("body", "format", "location", "expected"),
    [
        (JSON, "json", "a.n", 3),
        (JSON, "json", "a.t", 10 * 2**20),
        (JSON, "json", "a.m", 0.1),
        (JSON, "json", "a.l.0", 1),
        (JSON, "json", "a.l.#", 1),
        (YAML, "yaml", "a.n", 3),
        (YAML, "yaml", "a.t", 1000),
        (YAML, "yaml", "a.l.1", 2.5),
        (YAML, "yaml", "a.n.more", 3),
        (XML, "xml", "a.n", 3),
        (XML, "xml", "n", 3),
        (XML, "xml", "t", 1.5),
        (XML, "xml", "l.1", 2.5),
        (TEXT, "prometheus", "n", 3),
        (TEXT, "prometheus", 'n{a=""}', 4),
    ],
)
def test_the_number_is_found(body: bytes, format: str, location: str, expected: float) -> None:
    assert value(body, format, location) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("body", "format", "location"),
    [
        *((JSON, "json", f"a.{name}") for name in ("b", "z", "x", "l", "o", "missing")),
        *((YAML, "yaml", f"a.{name}") for name in ("b", "z", "x", "l", "missing")),
        *((XML, "xml", name) for name in ("x", "l", "missing", "a")),
        *((TEXT, "prometheus", name) for name in ("nan", "inf", "missing")),
        *((b"<html>", name, "a") for name in ("json", "yaml", "xml", "prometheus")),
        *((b"", name, "a") for name in ("json", "yaml", "xml", "prometheus")),
    ],
)
def test_what_is_no_number_is_malformed_and_not_shown(body: bytes, format: str, location: str) -> None:
    with pytest.raises(Malformed) as caught:
        value(body, format, location)
    assert "many" not in str(caught.value)


def test_the_place_that_holds_no_number_is_told_with_its_setting() -> None:
    with pytest.raises(Malformed, match=r"cannot read a\.missing on .*; check `valueLocation`"):
        value(JSON, "json", "a.missing")


def test_triggers_of_one_url_send_one_request() -> None:
    asked: list[Any] = []
    for location in ("a", "b"):
        drive(build({"valueLocation": location}).measure(ASK, None), lambda one: asked.append(one) or 1)
    assert asked[0] != asked[1]
    assert asked[0].request == asked[1].request
    assert asked[0].request.accepts == (200,)
    assert asked[0].request.target() == "/stats"


def test_certificates_time_and_login_go_into_the_server() -> None:
    metadata = {"url": "https://shop/x?a=1", "unsafeSsl": "true", "timeout": "9s", "authModes": "basic,tls"}
    scaler = build(metadata, {"username": "u", "cert": "C", "key": "K", "ca": "A"})
    assert scaler.server() == HttpServer(
        "https://shop", HttpLogin((basic("u", ""),)), Tls("A", "C", "K", "", is_verified=False), 9.0
    )


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({"url": "shop"}, "url", "is not an absolute URL"),
        ({"targetValue": "0"}, "targetValue", "no targetValue given in metadata"),
        ({"targetValue": ""}, "targetValue", "no targetValue given in metadata"),
        ({"format": "csv"}, "format", "is not one of prometheus, json, xml, yaml"),
        ({"aggregationType": "median"}, "aggregationType", "is not one of average, sum, max, min"),
        ({"valueLocation": "[a,b]"}, "valueLocation", "multipath"),
        ({"valueLocation": "n{a}", "format": "prometheus"}, "valueLocation", "labels that cannot be read"),
        ({"timeout": "-1"}, "timeout", "negative"),
        (
            {"url": "http://shop/x", "aggregateFromKubeServiceEndpoints": "true"},
            "url",
            "must begin with <service>.<namespace>",
        ),
        ({"url": "http://10.0.0.1/", "aggregateFromKubeServiceEndpoints": "true"}, "url", "names no Service"),
        ({"authMode": "apiKey"}, "apiKey", "is required when apiKey auth is enabled"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str, message: str) -> None:
    problems = build(metadata)
    assert [one.path for one in problems] == [path]
    assert message in problems[0].message


def test_a_source_of_a_formula_needs_no_target() -> None:
    assert build({"targetValue": ""}, is_metric_source=True).metric_target() == 0


def test_the_metric_is_named_after_the_location() -> None:
    assert build({"valueLocation": "a.b/c"}).metric_name() == "metric-api-a-b-c"


# --- endpoints of a Service

TWO = (Endpoint("10.0.0.1", (8080,)), Endpoint("fd00::1", (9090,)))


def aggregate(
    how: str, endpoints: Any, answers: dict[str, Any], url: str = "http://shop.default.svc:8080/stats?a=1"
) -> tuple[float, list[str]]:
    """The merged value, and what was asked."""
    scaler = build({"url": url, "aggregateFromKubeServiceEndpoints": "true", "aggregationType": how})
    asked: list[str] = []

    def answer(question: Any) -> Any:
        if isinstance(question, ServiceEndpoints):
            assert (question.namespace, question.service) == ("default", "shop")
            return endpoints
        asked.append(question.server.origin + question.request.target())
        return answers.get(question.server.origin, 1)

    return drive(scaler.measure(ASK, None), answer), asked


@pytest.mark.parametrize(("how", "expected"), [("average", 3), ("sum", 6), ("max", 5), ("min", 1)])
def test_every_endpoint_is_asked_and_their_values_are_merged(how: str, expected: float) -> None:
    merged, asked = aggregate(how, TWO, {"http://10.0.0.1:8080": 5})
    assert merged == expected
    assert asked == ["http://10.0.0.1:8080/stats?a=1", "http://[fd00::1]:9090/stats?a=1"]


@pytest.mark.parametrize(
    ("url", "ports", "origin"),
    [
        ("http://shop.default:8080/", (8080, 9090), "http://10.0.0.1:8080"),
        ("http://shop.default:8080/", (9090,), "http://10.0.0.1:9090"),
        ("http://shop.default:8080/", (9090, 9091), "http://10.0.0.1"),
        ("http://shop.default/", (80, 9090), "http://10.0.0.1"),
        ("https://shop.default/", (), "https://10.0.0.1"),
        ("https://shop.default.svc.cluster.local/", (8443,), "https://10.0.0.1:8443"),
    ],
)
def test_the_port_is_one_that_the_pods_listen_on(url: str, ports: tuple[int, ...], origin: str) -> None:
    _, asked = aggregate("sum", (Endpoint("10.0.0.1", ports),), {}, url)
    assert asked == [f"{origin}/"]


@pytest.mark.parametrize(("how", "expected"), [("average", 5), ("max", 5), ("min", 5), ("sum", None)])
def test_an_endpoint_that_fails_is_left_out_but_never_of_a_sum(how: str, expected: float | None) -> None:
    answers = {"http://10.0.0.1:8080": 5, "http://[fd00::1]:9090": Unreachable("ask")}
    if expected is None:
        with pytest.raises(Unreachable):
            aggregate(how, TWO, answers)
    else:
        assert aggregate(how, TWO, answers)[0] == expected


@pytest.mark.parametrize("how", ["average", "max", "min", "sum"])
def test_without_any_value_it_fails(how: str) -> None:
    failed = {"http://10.0.0.1:8080": Unreachable("ask"), "http://[fd00::1]:9090": "many"}
    with pytest.raises(Unreachable):
        aggregate(how, TWO, failed)
    with pytest.raises(Unreachable, match="Service default/shop: it has none that is ready"):
        aggregate(how, (), {})
    with pytest.raises(Malformed):
        aggregate(how, 7, {})


def test_many_endpoints_are_asked_a_few_at_a_time() -> None:
    many = tuple(Endpoint(f"10.0.{n // 250}.{n % 250}", (8080,)) for n in range(1000))
    assert aggregate("sum", many, {})[0] == 1000
