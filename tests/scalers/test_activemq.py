"""The triggers of ActiveMQ Classic and Artemis: whom they ask, for what, and which mistakes they tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Polled, Scope
from tidegate.kit.systems.http import HttpLogin, HttpServer, basic
from tidegate.kit.systems.jolokia import BeanAttribute, BeanUrl, JolokiaServer
from tidegate.kit.tls import Tls

SECRET = "hunter2"
LOGIN = {"username": "u", "password": SECRET}
BASES = {
    "activemq": {"managementEndpoint": "h:8161", "destinationName": "jobs", "brokerName": "b"},
    "artemis-queue": {
        "managementEndpoint": "h:8161",
        "queueName": "jobs",
        "brokerName": "b",
        "brokerAddress": "a",
    },
}
TYPES = pytest.mark.parametrize("type", sorted(BASES))
CLASSIC = "type=Broker,brokerName=b,destinationType=Queue,destinationName=jobs"
ARTEMIS = 'broker="b",component=addresses,address="a",subcomponent=queues,routing-type="anycast",queue="jobs"'


def build(type: str, metadata: dict[str, str], auth: dict[str, str] | None = None) -> Any:
    found = scalers.find(type)
    assert found is not None
    trigger = Trigger(type=type, metadata=metadata)
    return reading.build(
        found, trigger, Sources(metadata, {}, LOGIN if auth is None else auth), Scope("shop")
    )


def scaler(type: str, metadata: dict[str, str] | None = None, **more: Any) -> Any:
    made = build(type, {**BASES[type], **more} if metadata is None else metadata)
    assert isinstance(made, Polled), made
    return made


def asked(made: Any) -> Any:
    questions: list[Any] = []
    drive(made.measure(ASK, datetime.now(UTC)), lambda one: questions.append(one) or 0)
    (question,) = questions
    return question


def server(product: str, path: str, origin: str = "http://h:8161", **more: Any) -> JolokiaServer:
    http = HttpServer(origin, HttpLogin((basic("u", SECRET),)), name=product, **more)
    return JolokiaServer(http, path, "http://" + origin.partition("://")[2])


def test_an_endpoint_and_names_are_an_attribute() -> None:
    classic = asked(scaler("activemq"))
    place = server("ActiveMQ", "/api/jolokia")
    assert classic == BeanAttribute(place, f"org.apache.activemq:{CLASSIC}", "QueueSize", classic.about)
    artemis = asked(scaler("artemis-queue"))
    place = server("Artemis", "/console/jolokia")
    name = f"org.apache.activemq.artemis:{ARTEMIS}"
    assert artemis == BeanAttribute(place, name, "MessageCount", artemis.about)


@pytest.mark.parametrize(
    ("type", "setting", "url", "target", "metric"),
    [
        (
            "activemq",
            "restAPITemplate",
            f"https://c:1/x/jolokia/read/org.apache.activemq:{CLASSIC}/QueueSize",
            f"/x/jolokia/read/org.apache.activemq:{CLASSIC}/QueueSize",
            "activemq-jobs",
        ),
        (
            "artemis-queue",
            "restApiTemplate",
            f"https://c:1/console/jolokia/read/org.apache.activemq.artemis:{ARTEMIS}/MessageCount",
            f"/console/jolokia/read/org.apache.activemq.artemis:{ARTEMIS}/MessageCount".replace('"', "%22"),
            "artemis-jobs",
        ),
    ],
)
def test_a_template_is_a_url_of_its_own(type: str, setting: str, url: str, target: str, metric: str) -> None:
    for metadata in ({setting: url}, {**BASES[type], setting: url}):
        made = scaler(type, metadata)
        question = asked(made)
        assert isinstance(question, BeanUrl)
        assert question.target == target
        assert question.server.http.origin == "https://c:1"
        assert question.server.http.tls == Tls()
        assert question.server.origin == "http://c:1"
        assert made.metric_name() == metric


@TYPES
def test_the_origin_may_be_given(type: str) -> None:
    assert asked(scaler(type, corsHeader="https://o")).server.origin == "https://o"


def test_tls_of_artemis() -> None:
    url = f"https://c/read/org.apache.activemq.artemis:{ARTEMIS}/MessageCount"
    auth = {**LOGIN, "ca": "CA", "cert": "CERT", "key": "KEY", "keyPassword": "PW"}
    made = build("artemis-queue", {"restApiTemplate": url, "unsafeSsl": "true"}, auth)
    assert asked(made).server.http.tls == Tls("CA", "CERT", "KEY", "PW", is_verified=False)
    alone = build("artemis-queue", {"restApiTemplate": url}, {**LOGIN, "ca": "CA"})
    assert asked(alone).server.http.tls == Tls("CA")


@pytest.mark.parametrize(
    ("type", "defaults", "given", "expected"),
    [
        ("activemq", (10, 0), {"targetQueueSize": "7", "activationTargetQueueSize": "3"}, (7, 3)),
        ("artemis-queue", (10, 10), {"queueLength": "7", "activationQueueLength": "3"}, (7, 3)),
    ],
)
def test_target_and_activation(
    type: str, defaults: tuple[int, int], given: dict[str, str], expected: tuple[int, int]
) -> None:
    for made, numbers in ((scaler(type), defaults), (scaler(type, **given), expected)):
        assert (made.metric_target(), made.activation_target()) == numbers


@pytest.mark.parametrize(
    ("type", "metadata", "told"),
    [
        ("activemq", {}, {"managementEndpoint": "no management endpoint given"}),
        (
            "activemq",
            {},
            {"destinationName": "no destination name given", "brokerName": "no broker name given"},
        ),
        (
            "artemis-queue",
            {},
            {"queueName": "no queue name given", "brokerAddress": "no broker address given"},
        ),
        ("activemq", {"managementEndpoint": "http://h:1"}, {"managementEndpoint": "is not host:port"}),
        ("activemq", {"managementEndpoint": "h:1/x"}, {"managementEndpoint": "is not host:port"}),
        ("activemq", {"managementEndpoint": "h:x"}, {"managementEndpoint": "is not host:port"}),
        ("activemq", {"restAPITemplate": "h:1/x"}, {"restAPITemplate": "is not an absolute URL"}),
        ("activemq", {"restAPITemplate": "http://{{.X}}/a"}, {"restAPITemplate": "is not an absolute URL"}),
        ("activemq", {"restAPITemplate": "http://h/x"}, {"restAPITemplate": "no destinationName is given"}),
        (
            "activemq",
            {"restAPITemplate": "http://h/r/d:destinationName=,brokerName=b/Q"},
            {"restAPITemplate": "no destinationName is given"},
        ),
        (
            "artemis-queue",
            {"restApiTemplate": 'http://h/r/d:broker="b",address="a",queue=""/Q'},
            {"restApiTemplate": "no queue is given"},
        ),
        ("activemq", {"corsHeader": "a\tb\x01"}, {"corsHeader": "control character"}),
    ],
)
def test_mistakes_are_told_by_their_setting(
    type: str, metadata: dict[str, str], told: dict[str, str]
) -> None:
    made = build(type, metadata)
    assert isinstance(made, tuple)
    for path, text in told.items():
        assert [one for one in made if one.path == path and text in one.message], made


def test_half_a_certificate_is_told() -> None:
    for auth in ({**LOGIN, "cert": "C"}, {**LOGIN, "key": SECRET}):
        made = build("artemis-queue", BASES["artemis-queue"], auth)
        assert [(one.path, one.message) for one in made] == [("cert", "both cert and key must be provided")]


@TYPES
def test_a_login_is_needed_and_never_shown(type: str) -> None:
    made = build(type, BASES[type], {})
    assert {one.path for one in made} == {"username", "password"}
    question = asked(scaler(type))
    assert SECRET not in repr(scaler(type)) + repr(question) + question.server.label()
