"""What the operator's settings come to."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from tidegate.base.errors import Misconfigured
from tidegate.cli.wiring.installation.authorities import authorities
from tidegate.cli.wiring.installation.budgets import budgets_of
from tidegate.cli.wiring.installation.client_libraries import missing
from tidegate.cli.wiring.operator_program import options, reach, surroundings
from tidegate.cli.wiring.operator_settings import IGNORED, OperatorSettings
from tidegate.connections.addresses import Refused
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    HPAS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
)
from tidegate.runtime.settings import Given, read, table


def settings(flags: Mapping[str, str] | None = None, **environment: str) -> OperatorSettings:
    given = {flag: [text] for flag, text in (flags or {}).items()}
    return read(OperatorSettings, IGNORED, Given(given, environment))[0]


def test_unset_everything_is_followed_everywhere() -> None:
    made = reach(settings())
    assert made.of(SCALED_OBJECTS) == made.of(SECRETS) == ()
    assert made.labels[SCALED_OBJECTS] == ""


def test_the_namespaces_of_a_list_are_followed_and_for_secrets_the_cluster_objects_namespace() -> None:
    made = reach(settings(WATCH_NAMESPACE="shop,depot", POD_NAMESPACE="autoscaling"))
    assert made.of(SCALED_OBJECTS) == made.of(HPAS) == ("shop", "depot")
    assert made.of(SECRETS) == made.of(CONFIG_MAPS) == ("shop", "depot", "autoscaling")


def test_restricted_secrets_are_followed_in_the_cluster_objects_namespace_alone() -> None:
    given = settings(
        WATCH_NAMESPACE="shop", KEDA_CLUSTER_OBJECT_NAMESPACE="vault", KEDA_RESTRICT_SECRET_ACCESS="True"
    )
    assert reach(given).of(SECRETS) == ("vault",)
    assert reach(given).of(CONFIG_MAPS) == ("shop", "vault")
    assert options(given).is_secret_access_restricted
    assert options(given).cluster_namespace == "vault"


def test_anything_but_true_restricts_no_secrets() -> None:
    assert not options(settings(KEDA_RESTRICT_SECRET_ACCESS="yes")).is_secret_access_restricted


@pytest.mark.parametrize(("text", "seconds"), [("", 3600), ("1h", 3600), ("90m", 5400), ("6h", 21600)])
def test_tokens_of_accounts_are_good_for_as_long_as_is_said(text: str, seconds: int) -> None:
    given = settings(KEDA_BOUND_SERVICE_ACCOUNT_TOKEN_EXPIRY=text)
    assert options(given).token_life_s == seconds


@pytest.mark.parametrize("text", ["59m", "6h1s", "3600", "x"])
def test_tokens_that_are_too_short_or_too_long_keep_it_from_starting(text: str) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        settings(KEDA_BOUND_SERVICE_ACCOUNT_TOKEN_EXPIRY=text)
    assert "a duration from 1h to 6h" in str(raised.value.exceptions[0])


def test_labels_narrow_our_kinds_and_authentications_by_themselves() -> None:
    labels = reach(
        settings(WATCH_LABEL_SELECTOR="team=shop", WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH="!old")
    ).labels
    assert labels[SCALED_OBJECTS] == labels[SCALED_JOBS] == "team=shop"
    assert labels[TRIGGER_AUTHENTICATIONS] == labels[CLUSTER_TRIGGER_AUTHENTICATIONS] == "!old"
    assert HPAS not in labels


@pytest.mark.parametrize(("text", "seconds"), [("5000", 5.0), ("0", 0.3), ("-1", 0.3), ("", 3.0)])
def test_the_time_a_server_has_to_answer(text: str, seconds: float) -> None:
    assert surroundings(settings(KEDA_HTTP_DEFAULT_TIMEOUT=text), {}).timeout_s == seconds


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254"])
def test_own_and_metadata_addresses_are_refused_until_they_are_allowed(address: str) -> None:
    with pytest.raises(Refused):
        surroundings(settings(), {}).policy.check(address)
    surroundings(settings({"--allow-address": address}), {}).policy.check(address)


def test_the_own_identity_is_lent_to_nobody_until_namespaces_are_named() -> None:
    assert options(settings()).lends_identity == ()
    assert options(settings({"--lend-identity": "shop, bakery"})).lends_identity == ("shop", "bakery")
    assert options(settings(TIDEGATE_LEND_IDENTITY="*")).lends_identity == ("*",)


def test_budgets_are_by_system_or_service() -> None:
    assert budgets_of(settings().budgets) == {}
    given = settings({"--budget": "datadog=5"})
    assert budgets_of(given.budgets) == {"datadog": 5}
    given = settings(TIDEGATE_BUDGETS="aws.monitoring=60, gcp=7 , azure_storage.queue=1")
    assert budgets_of(given.budgets) == {"aws.monitoring": 60, "gcp": 7, "azure_storage.queue": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("datadog", "no number of calls is given"),
        ("datadog=0", '"0" is no whole number of calls'),
        ("datadog=-5", '"-5" is no whole number of calls'),
        ("datadog=1.5", '"1.5" is no whole number of calls'),
        ("datadog=many", '"many" is no whole number of calls'),
        ("datadog=" + "9" * 5000, "is no whole number of calls"),
        ("datadgo=5", 'there is no system "datadgo"; did you mean "datadog"?'),
        ("aws.sqsx=5", 'there is no system "aws.sqsx"'),
        ("=5", 'there is no system ""'),
        ("sqs-queue=5", 'there is no system "sqs-queue"; there are aws, aws.dynamodb, '),
        ("vault=5", "vault is not polled"),
        ("aws.secretsmanager=5", "aws.secretsmanager is not polled"),
        ("kubernetes=5", "kubernetes is not polled"),
    ],
)
def test_a_budget_that_is_none_keeps_it_from_starting(text: str, why: str) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        settings({"--budget": text})
    (problem,) = raised.value.exceptions
    assert why in str(problem)


def test_all_that_is_wrong_with_budgets_is_told_at_once() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        settings(TIDEGATE_BUDGETS="datadog=5,nobody=0,datadog=6")
    told = " ".join(str(one) for one in raised.value.exceptions)
    assert len(raised.value.exceptions) == 3
    assert all(part in told for part in ('"nobody"', '"0"', "datadog has a budget already"))


def test_proxies_are_those_of_the_environment() -> None:
    made = surroundings(settings(), {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".svc"})
    assert made.proxy_of("https://example.org/") == "http://proxy:3128"
    assert made.proxy_of("https://prometheus.shop.svc/") == ""


def test_tls_has_the_least_version_and_the_ciphers_that_were_named() -> None:
    given = settings(
        KEDA_HTTP_MIN_TLS_VERSION="TLS13",
        KEDA_HTTP_TLS_CIPHER_LIST="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        KEDA_HTTP_DISABLE_KEEP_ALIVE="true",
    )
    made = surroundings(given, {})
    assert made.tls.least == ssl.TLSVersion.TLSv1_3
    assert made.tls.ciphers == "ECDHE-RSA-AES128-GCM-SHA256"
    assert not made.keeps_alive


def test_times_of_the_lease_that_leave_no_room_are_told_together_with_everything_else() -> None:
    environment = {
        "KEDA_OPERATOR_LEADER_ELECTION_LEASE_DURATION": "5s",
        "KEDA_OPERATOR_LEADER_ELECTION_RETRY_PERIOD": "9s",
        "WATCH_LABEL_SELECTOR": "team in shop",
        "KEDA_HTTP_DEFAULT_TIMEOUT": "3s",
    }
    with pytest.raises(ExceptionGroup) as raised:
        settings({"--leader-elect": "maybe", "--health-probe-bind-address": "8081"}, **environment)
    told = [str(one) for one in raised.value.exceptions]
    assert all(isinstance(one, Misconfigured) for one in raised.value.exceptions)
    for name in (*environment, "--leader-elect", "--health-probe-bind-address"):
        wanted = "RENEW_DEADLINE" if name.endswith("RETRY_PERIOD") else name
        assert any(wanted in text for text in told), name


def test_every_setting_says_what_it_is_and_how_it_differs() -> None:
    for setting in (*table(OperatorSettings).values(), *IGNORED):
        assert setting.flag or setting.variable
        assert setting.about or setting.fate == "ignored"
        assert setting.difference or setting.fate in ("same", "ours")


def test_no_setting_is_declared_twice() -> None:
    every = (*table(OperatorSettings).values(), *IGNORED)
    names = [name for one in every for name in (one.flag, one.variable) if name]
    assert len(names) == len(set(names))
    assert len(dataclasses.fields(OperatorSettings)) == len(table(OperatorSettings))


def test_authorities_are_read_from_every_file_of_a_folder_and_what_is_none_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = trustme.CA(), trustme.CA()
    (tmp_path / "one.pem").write_bytes(one.cert_pem.bytes())
    (tmp_path / "other.crt").write_bytes(other.cert_pem.bytes() + one.cert_pem.bytes())
    (tmp_path / "..data").write_text("from before")
    (tmp_path / "README").write_text("no certificate")
    found = authorities([str(tmp_path), str(tmp_path / "missing")])
    assert found.count("BEGIN CERTIFICATE") == 2
    assert [record.getMessage() for record in caplog.records] == ["authority not read"]


def test_a_missing_client_library_is_found_by_the_extra_that_has_it() -> None:
    requirements = [
        "aiohttp>=3.14",
        'redis[hiredis]>=8.1; extra == "redis"',
        'grpcio>=1.75; extra == "temporal"',
        'protobuf>=7; extra == "temporal"',
        'pytest>=9; extra == "test"',
    ]
    found = missing(requirements, ["redis", "temporal"], lambda package: package == "protobuf")
    assert found == {"redis": ("redis",), "temporal": ("grpcio",)}


# The OTEL_* variables are read by the exporter itself, those of clouds by their clients.
KEDAS = """
--enable-prometheus-metrics --enable-opentelemetry-metrics --metrics-bind-address
--health-probe-bind-address --metrics-service-bind-address --profiling-bind-address --leader-elect
--leader-election-id --kube-api-qps --kube-api-burst --disable-compression --cert-secret-name
--cert-dir --operator-service-name --metrics-server-service-name --webhooks-service-name
--k8s-cluster-name --k8s-cluster-domain --enable-cert-rotation --validating-webhook-name --ca-dir
--enable-webhook-patching --enable-apiservice-patching --filepath-auth-root-path
--http-max-idle-conns --http-max-idle-conns-per-host --http-idle-conn-timeout --kubeconfig
--zap-devel --zap-encoder --zap-log-level --zap-stacktrace-level --zap-time-encoding --v
--logtostderr --stderrthreshold WATCH_NAMESPACE WATCH_LABEL_SELECTOR
WATCH_LABEL_SELECTOR_FOR_TRIGGERAUTH POD_NAMESPACE KEDA_CLUSTER_OBJECT_NAMESPACE
KEDA_RESTRICT_SECRET_ACCESS KEDA_HTTP_DEFAULT_TIMEOUT KEDA_HTTP_DISABLE_KEEP_ALIVE
KEDA_HTTP_MIN_TLS_VERSION KEDA_HTTP_TLS_CIPHER_LIST KEDA_SERVICE_MIN_TLS_VERSION
KEDA_SERVICE_TLS_CIPHER_LIST KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES
KEDA_SCALEDJOB_CTRL_MAX_RECONCILES KEDA_OPERATOR_LEADER_ELECTION_LEASE_DURATION
KEDA_OPERATOR_LEADER_ELECTION_RENEW_DEADLINE KEDA_OPERATOR_LEADER_ELECTION_RETRY_PERIOD
KEDA_BOUND_SERVICE_ACCOUNT_TOKEN_EXPIRY KEDA_CHECK_UNEXPECTED_SCALERS_PARAMS
RAW_METRICS_GRPC_PROTOCOL RAW_METRICS_MODE HTTP_PROXY HTTPS_PROXY NO_PROXY
"""


def test_every_flag_and_variable_of_kedas_operator_is_known() -> None:
    every = (*table(OperatorSettings).values(), *IGNORED)
    known = {name for one in every for name in (one.flag, one.variable)}
    assert [name for name in KEDAS.split() if name not in known] == []
