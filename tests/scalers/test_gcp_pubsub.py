"""Pub/Sub: which metric of which resource is asked for, as whom, and what a missing point means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.kit import reading
from tidegate.kit.identity import Identity, ServiceAccount
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.gcp import GcpServer
from tidegate.kit.systems.gcp_monitoring import NewestPoint
from tidegate.testing.sheets import Sample

KEY_FILE = {
    "type": "service_account",
    "project_id": "home",
    "private_key_id": "k1",
    "private_key": "hunter2",
    "client_email": "me@home.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
}
AUTH = {"GoogleApplicationCredentials": json.dumps(KEY_FILE)}
SAMPLES = {"gcp-pubsub": Sample(may_be_negative=True, auth=AUTH)}

ACCOUNT = ServiceAccount("me@home.iam.gserviceaccount.com", "hunter2", "k1", "home")
SERVER = GcpServer("monitoring", ACCOUNT)


def build(
    auth: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
    identity: Identity | None = None,
    **metadata: str,
) -> Any:
    kind = scalers.find("gcp-pubsub")
    assert kind is not None
    texts = metadata if "topicName" in metadata else {"subscriptionName": "orders", **metadata}
    sources = Sources(texts, env or {}, AUTH if auth is None else auth, identity=identity)
    return reading.build(kind, Trigger(type="gcp-pubsub", metadata=texts), sources, Scope("shop"))


def measured(scaler: Any, answer: Any) -> tuple[float, NewestPoint]:
    asked: list[Any] = []

    def told(question: Any) -> Any:
        asked.append(question)
        return answer

    value = drive(scaler.measure(ASK, None), told)
    (question,) = asked
    return value, question


def point(metric: str, name: str, project: str = "home", horizon_s: float = 120, reducer: str = "") -> Any:
    kind = metric.partition("/")[0]
    place = (f"pubsub.googleapis.com/{metric}", f"pubsub_{kind}", f"{kind}_id", name)
    return NewestPoint(SERVER, project, *place, horizon_s, reducer)


@pytest.mark.parametrize(
    ("metadata", "question"),
    [
        ({}, point("subscription/num_undelivered_messages", "orders")),
        (
            {"subscriptionName": "projects/p-1/subscriptions/a.b~c"},
            point("subscription/num_undelivered_messages", "a.b~c", "p-1"),
        ),
        (
            {"mode": "OldestUnackedMessageAge", "timeHorizon": "1m30s"},
            point("subscription/oldest_unacked_message_age", "orders", horizon_s=90),
        ),
        ({"mode": "push_request_count"}, point("subscription/push_request_count", "orders")),
        ({"topicName": "t-1", "mode": "ByteCost"}, point("topic/byte_cost", "t-1")),
        (
            {"topicName": "projects/p-1/topics/t-1", "mode": "MessageSizes", "aggregation": "percentile99"},
            point("topic/message_sizes", "t-1", "p-1", 300, "percentile(value, 99)"),
        ),
        (
            {"mode": "AckLatencies", "aggregation": "stddev", "timeHorizon": "600000"},
            point("subscription/ack_latencies", "orders", horizon_s=600, reducer="stddev(value)"),
        ),
        (
            {"timeHorizon": "0"},
            point("subscription/num_undelivered_messages", "orders"),
        ),
    ],
)
def test_the_newest_point_of_a_metric_is_asked_for(metadata: dict[str, str], question: NewestPoint) -> None:
    assert measured(build(**metadata), 12.5) == (12.5, question)


def test_triggers_that_differ_in_what_they_make_of_it_ask_the_same() -> None:
    other = build(value="3", valueIfNull="7", activationValue="2")
    assert measured(other, 1)[1] == measured(build(), 1)[1]


def test_no_point_is_a_failure_unless_there_is_a_value_for_it() -> None:
    with pytest.raises(Malformed, match="could not find stackdriver metric pubsub") as caught:
        measured(build(), None)
    assert "in the last 120 s; raise `timeHorizon`, or set `valueIfNull`" in str(caught.value)
    assert measured(build(valueIfNull="0"), None)[0] == 0
    assert measured(build(valueIfNull="-1.5"), None)[0] == -1.5


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("mysubscription", "gcp-ps-mysubscription"),
        ("projects/p-1/subscriptions/s.x%2B", "gcp-ps-projects-p-1-subscriptions-s-x-2B"),
    ],
)
def test_the_metric_is_named_after_what_was_written(written: str, name: str) -> None:
    scaler = build(subscriptionName=written, value="2.5")
    assert scaler.metric_name() == name
    assert (scaler.metric_target(), scaler.activation_target()) == (2.5, 0)


# --- who asks


@pytest.mark.parametrize(
    ("auth", "metadata", "env"),
    [
        (AUTH, {}, {}),
        ({}, {"credentialsFromEnv": "KEY"}, {"KEY": AUTH["GoogleApplicationCredentials"]}),
        (AUTH, {"credentialsFromEnvFile": "FILE", "credentialsFromEnv": "KEY"}, {"KEY": "other"}),
    ],
)
def test_the_key_comes_from_the_authentication_or_a_variable(
    auth: dict[str, str], metadata: dict[str, str], env: dict[str, str]
) -> None:
    assert build(auth, env, **metadata).server() == SERVER


def test_an_endpoint_of_ones_own_stands_in_for_googles() -> None:
    server = build(monitoringEndpoint="https://monitoring-shop.p.googleapis.com/").server()
    assert server.origin() == "https://monitoring-shop.p.googleapis.com"
    assert build().server().origin() == "https://monitoring.googleapis.com"
    assert [one.path for one in build(monitoringEndpoint="monitoring")] == ["monitoringEndpoint"]


@pytest.mark.parametrize(
    "endpoint", ["https://example.com", "http://monitoring.googleapis.com", "https://xgoogleapis.com"]
)
def test_an_identity_s_token_goes_to_google_alone(endpoint: str) -> None:
    assert not isinstance(build(monitoringEndpoint=endpoint), list)
    (problem,) = build({}, identity=Identity("gcp"), monitoringEndpoint=endpoint)
    assert problem.path == "monitoringEndpoint"
    private = "https://monitoring-shop.p.googleapis.com"
    assert build({}, identity=Identity("gcp"), monitoringEndpoint=private).server().origin() == private


def test_workload_identity_is_read_and_asks_with_no_key() -> None:
    built = build({}, identity=Identity("gcp"))
    assert built.asks_as() == Identity("gcp")
    assert built.server().account is None
    assert build(AUTH, identity=Identity("gcp")).server().account is None, "the identity comes first"
    assert built.server().identity == Identity("gcp")
    assert built.can_log_in(Identity("gcp"))
    assert measured(built, 1)[1].project == "", "that of the identity, which its connection knows"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hunter2", "is no JSON; give the text of a service account's key file"),
        ("[" * 10_000, "is no JSON"),
        ("[]", 'is not the key of a service account (its "type" says so)'),
        ({"type": "authorized_user"}, "is not the key of a service account"),
        ({"client_email": None, "private_key": ""}, "has no client_email and no private_key"),
        ({"private_key": {"hunter2": 1}}, "holds something else than texts"),
        ({"project_id": 'x" OR "'}, "has a project_id that is none"),
        ({"token_uri": "oauth2.googleapis.com"}, "has a token_uri that is not an absolute URL"),
    ],
)
def test_a_key_file_that_is_none_is_told_without_showing_it(text: Any, words: str) -> None:
    written = text if isinstance(text, str) else json.dumps({**KEY_FILE, **text})
    (problem,) = build({"GoogleApplicationCredentials": written})
    assert problem.path == "GoogleApplicationCredentials"
    assert words in problem.message
    assert "hunter2" not in problem.message


def test_a_key_file_may_leave_out_what_can_be_known() -> None:
    bare = {name: KEY_FILE[name] for name in ("type", "private_key", "client_email")}
    auth = {"GoogleApplicationCredentials": json.dumps(bare)}
    server = build(auth, subscriptionName="projects/p-1/subscriptions/sub").server()
    assert server.account == ServiceAccount("me@home.iam.gserviceaccount.com", "hunter2")
    (problem,) = build(auth)
    assert problem.path == "subscriptionName"
    assert "projects/…/subscriptions/orders" in problem.message


# --- mistakes


@pytest.mark.parametrize(
    ("metadata", "auth", "paths"),
    [
        ({"subscriptionName": ""}, None, ["subscriptionName"]),
        ({"topicName": "t-1", "subscriptionName": "s-1"}, None, ["subscriptionName"]),
        ({}, {}, ["GoogleApplicationCredentials"]),
        ({"credentials": json.dumps(KEY_FILE)}, {}, ["GoogleApplicationCredentials"]),
        ({"credentialsFromEnvFile": "FILE"}, {}, ["credentialsFromEnvFile"]),
        ({"subscriptionName": "projects/p-1/topics/t-1"}, None, ["subscriptionName"]),
        ({"subscriptionName": "projects/p-1/orders"}, None, ["subscriptionName"]),
        ({"subscriptionName": "goog-orders"}, None, ["subscriptionName"]),
        ({"subscriptionName": "GOOGorders"}, None, ["subscriptionName"]),
        ({"subscriptionName": "ab"}, None, ["subscriptionName"]),
        ({"subscriptionName": "a" * 256}, None, ["subscriptionName"]),
        ({"subscriptionName": "it's"}, None, ["subscriptionName"]),
        ({"topicName": "9lives"}, None, ["topicName"]),
        ({"mode": 'x" OR'}, None, ["mode"]),
        ({"aggregation": "max"}, None, ["aggregation"]),
        ({"aggregation": "percentile101"}, None, ["aggregation"]),
        ({"aggregation": "percentile07"}, None, ["aggregation"]),
        ({"subscriptionSize": "5"}, None, ["subscriptionSize"]),
        ({"value": "ten", "activationValue": "x", "valueIfNull": "y"}, None, None),
        ({"timeHorizon": "-1m"}, None, ["timeHorizon"]),
    ],
)
def test_mistakes_are_told_by_their_setting(
    metadata: dict[str, str], auth: dict[str, str] | None, paths: list[str] | None
) -> None:
    found = [problem.path for problem in build(auth, **metadata)]
    assert found == (["value", "activationValue", "valueIfNull"] if paths is None else paths)
