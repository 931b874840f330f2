"""External scalers: who is asked for whom, what TLS comes from, and what goes to the server."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.core.values import MetricSpec
from tidegate.kit import reading
from tidegate.kit.question import ASK, Question, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Measured, Scaler, Scope
from tidegate.kit.systems.external import (
    Caller,
    ExternalActivity,
    ExternalPushes,
    ExternalServer,
    ExternalSpecs,
    ExternalValue,
)
from tidegate.kit.tls import Tls
from tidegate.testing.sheets import Sample

SPECS = (MetricSpec("orders", 5.0), MetricSpec("refunds", 2.5))


def well(question: Question) -> Any:
    if isinstance(question, ExternalSpecs):
        return SPECS
    if isinstance(question, ExternalValue):
        return {"orders": 12.0, "refunds": -1.0}[question.metric]
    return True


SAMPLES = {name: Sample(well, values=(12.0, -1.0), is_active=True) for name in ("external", "external-push")}


def build(
    metadata: dict[str, str], *, kind: str = "external", auth: dict[str, str] | None = None, **env: str
) -> Scaler | tuple[Problem, ...]:
    found = scalers.find(kind)
    assert found is not None
    trigger = Trigger(type=kind, metadata=metadata)
    return reading.build(found, trigger, Sources(metadata, env, auth or {}), Scope("shop", name="web"))


def scaler(metadata: dict[str, str] | None = None, **others: Any) -> Any:
    built = build({"scalerAddress": "scaler:9090", **(metadata or {})}, **others)
    assert isinstance(built, Scaler), built
    return built


def test_all_metadata_goes_to_the_server_and_variables_by_their_values() -> None:
    metadata = {"queue": "orders", "tokenFromEnv": "TOKEN", "emptyFromEnv": "EMPTY", "goneFromEnv": "GONE"}
    caller = scaler(metadata, TOKEN="hunter2", EMPTY="").caller()
    assert caller == Caller(
        "shop",
        "web",
        (("scalerAddress", "scaler:9090"), ("queue", "orders"), ("tokenFromEnv", "hunter2")),
    )
    assert "hunter2" not in repr(caller)


def test_parameters_of_an_authentication_never_leave() -> None:
    made = scaler(auth={"caCert": "PEM", "tlsClientKey": "hunter2", "apiKey": "hunter2"})
    assert made.passed == (("scalerAddress", "scaler:9090"),)


def test_no_key_is_called_unread() -> None:
    kind = scalers.find("external")
    assert kind is not None
    assert reading.unread_keys(kind, Sources({"scalerAdress": "x", "anything": "y"})) == ()


@pytest.mark.parametrize(
    ("metadata", "auth", "tls"),
    [
        ({}, {}, None),
        ({"enableTLS": "true"}, {}, Tls()),
        ({"unsafeSsl": "true"}, {}, None),
        ({"enableTLS": "true", "unsafeSsl": "true"}, {}, Tls(is_verified=False)),
        ({}, {"caCert": "CA"}, Tls("CA")),
        ({}, {"tlsClientCert": "C", "tlsClientKey": "K"}, Tls("", "C", "K")),
        ({}, {"tlsClientCert": "C"}, None),
        ({"enableTLS": "true"}, {"tlsClientKey": "K"}, Tls()),
    ],
)
def test_tls_is_spoken_when_asked_for_or_when_there_is_something_to_trust_or_show(
    metadata: dict[str, str], auth: dict[str, str], tls: Tls | None
) -> None:
    assert scaler(metadata, auth=auth).server() == ExternalServer("scaler:9090", tls)


@pytest.mark.parametrize(
    ("metadata", "auth", "path"),
    [({"unsafeSsl": "true"}, {}, "unsafeSsl"), ({}, {"tlsClientCert": "C"}, "tlsClientCert")],
)
def test_what_does_less_than_it_says_is_told(
    metadata: dict[str, str], auth: dict[str, str], path: str
) -> None:
    assert [one.path for one in scaler(metadata, auth=auth).notices()] == [path]


def test_each_metric_is_asked_for_by_the_name_the_server_gave_it() -> None:
    asked: list[Question] = []

    def answer(question: Question) -> Any:
        asked.append(question)
        return well(question)

    made = scaler()
    measured = drive(made.measure(ASK, None), answer)
    assert measured == Measured((12.0, -1.0), True, SPECS)
    server, caller = made.server(), made.caller()
    assert asked == [
        ExternalSpecs(server, caller),
        ExternalValue(server, caller, "orders"),
        ExternalValue(server, caller, "refunds"),
        ExternalActivity(server, caller),
    ]


def test_activity_that_is_no_truth_value_is_malformed() -> None:
    def answer(question: Question) -> Any:
        return 1 if isinstance(question, ExternalActivity) else well(question)

    with pytest.raises(Malformed):
        drive(scaler().measure(ASK, None), answer)


def test_only_a_pushing_trigger_wants_to_be_pushed() -> None:
    made = scaler(kind="external-push")
    assert made.watch() == ExternalPushes(made.server(), made.caller())
    assert not hasattr(scaler(), "watch")
