"""The Prometheus trigger: what it asks, what it makes of recorded answers, which mistakes it tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.kit import reading
from tidegate.kit.identity import Identity, IdentityToken, ServiceAccount
from tidegate.kit.picking.gjson import Json
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Measured, Scope
from tidegate.kit.systems.http import HttpLogin, HttpServer
from tidegate.kit.tls import Tls
from tidegate.testing.sheets import Sample

VECTOR = b'{"status":"success","data":{"resultType":"vector","result":[%s]}}'
ONE = b'{"metric":{"__name__":"up"},"value":[1764485000.123,"%s"]}'

SAMPLES = {
    "prometheus": Sample(lambda _: [{"metric": {}, "value": [1764485000.1, "7"]}], zeros=([],)),
}

BASE = {"serverAddress": "http://prometheus:9090", "query": "up", "threshold": "5"}


def build(
    metadata: dict[str, str],
    auth: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
    identity: Identity | None = None,
) -> Any:
    texts = {**BASE, **metadata}
    kind = scalers.find("prometheus")
    assert kind is not None
    sources = Sources(texts, env or {}, auth or {}, identity=identity)
    return reading.build(kind, Trigger(type="prometheus", metadata=texts), sources, Scope("shop"))


def asked(scaler: Any) -> Any:
    questions: list[Any] = []
    drive(scaler.measure(ASK, None), lambda question: questions.append(question) or [])
    return questions[0].request


def value(body: bytes, **metadata: str) -> float:
    """What a body, as recorded, is worth."""
    measured = drive(build(metadata).measure(ASK, None), lambda question: question.pick.of(Json.read(body)))
    return measured.values[0] if isinstance(measured, Measured) else measured


@pytest.mark.parametrize(
    ("metadata", "target"),
    [
        ({}, "/api/v1/query?query=up"),
        ({"serverAddress": "http://prometheus:9090/"}, "/api/v1/query?query=up"),
        ({"serverAddress": "http://mimir/prometheus/"}, "/prometheus/api/v1/query?query=up"),
        ({"serverAddress": "http://a/x?tenant=1"}, "/x/api/v1/query?tenant=1&query=up"),
        ({"query": 'sum(a{b="c"}) + 1'}, "/api/v1/query?query=sum%28a%7Bb%3D%22c%22%7D%29+%2B+1"),
        ({"namespace": "a&b"}, "/api/v1/query?query=up&namespace=a%26b"),
        ({"queryParameters": "dedup=true, max_source=5m"}, "/api/v1/query?query=up&dedup=true&max_source=5m"),
    ],
)
def test_it_asks_an_instant_query(metadata: dict[str, str], target: str) -> None:
    assert asked(build(metadata)).target() == target


def test_headers_and_time_are_its_own() -> None:
    request = asked(build({"customHeaders": "X-Scope-OrgID=shop,X-A = b", "timeout": "20s"}))
    assert request.headers == (("X-Scope-OrgID", "shop"), ("X-A", "b"))
    assert request.server == HttpServer("http://prometheus:9090", timeout_s=20, name="Prometheus")


@pytest.mark.parametrize(
    ("metadata", "auth", "tls"),
    [
        ({}, {}, Tls()),
        ({"unsafeSsl": "true"}, {}, Tls(is_verified=False)),
        ({"unsafeSsl": "true"}, {"ca": "C"}, Tls("C", is_verified=False)),
        ({"unsafeSsl": "true", "authModes": "bearer"}, {"ca": "C", "token": "t"}, Tls("C")),
        ({"unsafeSsl": "true", "authModes": "tls"}, {"cert": "D", "key": "K"}, Tls("", "D", "K")),
        ({"unsafeSsl": "true", "authModes": "bearer"}, {"token": "t"}, Tls(is_verified=False)),
    ],
)
def test_certificates_are_checked_unless_that_is_switched_off_alone(
    metadata: dict[str, str], auth: dict[str, str], tls: Tls
) -> None:
    assert asked(build({"serverAddress": "https://prometheus", **metadata}, auth)).server.tls == tls


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (VECTOR % (ONE % b"7"), 7),
        (VECTOR % (ONE % b"-1.5e-3"), -0.0015),
        (VECTOR % (ONE % b"1e+06"), 1_000_000),
        (b'{"status":"success","data":{"resultType":"scalar","result":[1764485000.1,"7"]}}', 7),
        (VECTOR % b"", 0),
    ],
)
def test_a_recorded_answer_is_worth(body: bytes, expected: float) -> None:
    assert value(body) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (VECTOR % (ONE % b"1" + b"," + ONE % b"2"), r"returned multiple elements \(2\)"),
        (VECTOR % (ONE % b"NaN"), "NaN or an infinity"),
        (VECTOR % (ONE % b"+Inf"), "NaN or an infinity"),
        (VECTOR % (ONE % b"-Inf"), "NaN or an infinity"),
        (VECTOR % (ONE % b"five"), "the value of the sample is not a number"),
        (VECTOR % b'{"metric":{},"values":[[1,"2"]]}', "returned a range or lines"),
        (VECTOR % b'{"metric":{},"value":[]}', "no sample"),
        (VECTOR % b'{"metric":{},"value":[1]}', "no sample"),
        (VECTOR % b'{"metric":{},"value":[1,null]}', "no sample"),
        (VECTOR % b'{"metric":{},"value":[1,2]}', "no sample"),
        (b'{"status":"success"}', "no result of a query"),
        (b'{"status":"success","data":{"result":null}}', "no result of a query"),
        (b'{"status":"error","errorType":"bad_data","error":"x"}', "no result of a query"),
    ],
)
def test_another_answer_is_malformed(body: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message) as caught:
        value(body)
    assert "cannot run the query on Prometheus http://prometheus:9090" in str(caught.value)


@pytest.mark.parametrize(
    ("ignore", "empty", "nan"),
    [("", 0, None), ("true", 0, 0), ("false", None, None)],
)
def test_what_counts_as_nothing_is_the_users_choice(
    ignore: str, empty: float | None, nan: float | None
) -> None:
    for body, expected in ((VECTOR % b"", empty), (VECTOR % (ONE % b"NaN"), nan)):
        if expected is None:
            with pytest.raises(Malformed):
                value(body, ignoreNullValues=ignore)
        else:
            assert value(body, ignoreNullValues=ignore) == expected


# --- Google's managed service

MANAGED = {"serverAddress": "https://monitoring.googleapis.com/v1/projects/p/location/global/prometheus"}
GOOGLE = Identity("gcp")
KEY = json.dumps({"type": "service_account", "client_email": "me@p", "private_key": "hunter2"})
ACCOUNT = ServiceAccount("me@p", "hunter2")
SCOPE = "https://www.googleapis.com/auth/monitoring.read"


@pytest.mark.parametrize(
    ("metadata", "auth", "env", "identity", "token"),
    [
        ({}, {}, {}, GOOGLE, IdentityToken(GOOGLE, SCOPE)),
        ({}, {"GoogleApplicationCredentials": KEY}, {}, GOOGLE, IdentityToken(GOOGLE, SCOPE)),
        ({}, {"GoogleApplicationCredentials": KEY}, {}, None, IdentityToken(ACCOUNT, SCOPE)),
        ({"credentialsFromEnv": "G"}, {}, {"G": KEY}, None, IdentityToken(ACCOUNT, SCOPE)),
        ({}, {}, {}, None, None),
    ],
)
def test_google_s_service_is_asked_with_a_token(
    metadata: dict[str, str],
    auth: dict[str, str],
    env: dict[str, str],
    identity: Identity | None,
    token: IdentityToken | None,
) -> None:
    scaler = build({**MANAGED, **metadata, "unsafeSsl": "true"}, auth, env, identity)
    server = asked(scaler).server
    assert server.login == HttpLogin(token=token)
    assert server.tls.is_verified == (token is not None), "whoever reads a token may use it"


def test_a_login_by_modes_comes_before_a_key_and_not_beside_an_identity() -> None:
    signed_in = build({"authModes": "bearer"}, {"token": "t", "GoogleApplicationCredentials": KEY})
    assert asked(signed_in).server.login == HttpLogin((("Authorization", "Bearer t"),))
    (problem,) = build({**MANAGED, "authModes": "bearer"}, {"token": "t"}, identity=GOOGLE)
    assert (problem.path, problem.message) == (
        "authModes",
        "pod identity cannot be enabled with other auth types",
    )


def test_an_identity_s_token_goes_to_google_alone() -> None:
    for address in ("http://prometheus:9090", "https://monitoring.googleapis.com.example/v1"):
        (problem,) = build({"serverAddress": address}, identity=GOOGLE)
        assert problem.path == "serverAddress"
        assert "googleapis.com alone" in problem.message
        assert not isinstance(build({"serverAddress": address}, {"GoogleApplicationCredentials": KEY}), tuple)


def test_a_key_that_is_none_and_a_file_of_the_autoscaler_s_are_told() -> None:
    (problem,) = build(MANAGED, {"GoogleApplicationCredentials": "hunter2"})
    assert problem.path == "GoogleApplicationCredentials"
    assert "hunter2" not in problem.message
    (problem,) = build({**MANAGED, "credentialsFromEnvFile": "G"})
    assert problem.path == "credentialsFromEnvFile"


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({"serverAddress": "prometheus:9090"}, "serverAddress", "is not an absolute URL"),
        ({"threshold": "many"}, "threshold", "is not a number"),
        ({"ignoreNullValues": "yes"}, "ignoreNullValues", "is not true or false"),
        ({"customHeaders": "X-Scope-OrgID"}, "customHeaders", "is not a list of key=value"),
        ({"customHeaders": "a=b=c"}, "customHeaders", "is not a list of key=value"),
        ({"customHeaders": "a b=c"}, "customHeaders", "its name is not one"),
        ({"queryParameters": "a"}, "queryParameters", "is not a list of key=value"),
        ({"timeout": "-1s"}, "timeout", "negative"),
        ({"cloud": "Private"}, "azureManagedPrometheusResourceURL", "required when cloud is Private"),
        ({"authModes": "bearer"}, "bearerToken", "is required when bearer auth is enabled"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str, message: str) -> None:
    problems = build(metadata)
    assert [one.path for one in problems] == [path]
    assert message in problems[0].message


def test_the_metric_has_one_name_and_the_threshold_is_the_target() -> None:
    scaler = build({"threshold": "0.5", "activationThreshold": "-2"})
    assert (scaler.metric_name(), scaler.metric_target(), scaler.activation_target()) == (
        "prometheus",
        0.5,
        -2,
    )
