"""What the metrics API server's settings come to."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.cli.wiring.metrics_apiserver_program import places
from tidegate.cli.wiring.metrics_apiserver_settings import IGNORED, MetricsApiserverSettings
from tidegate.cli.wiring.tls_settings import service_rules
from tidegate.metricsapi.connecting import Operator
from tidegate.runtime.settings import Given, read

# As KEDA's manifests have them.
MANIFEST = {
    "--port": "8080",
    "--secure-port": "6443",
    "--metrics-service-address": "keda-operator.keda.svc.cluster.local:9666",
    "--client-ca-file": "/certs/ca.crt",
    "--tls-cert-file": "/certs/tls.crt",
    "--tls-private-key-file": "/certs/tls.key",
    "--cert-dir": "/certs",
    "--disable-compression": "true",
    "--zap-log-level": "error",
}


def settings(
    flags: Mapping[str, str] | None = None, **environment: str
) -> tuple[MetricsApiserverSettings, tuple[str, ...]]:
    given = {flag: [text] for flag, text in (flags or {}).items()}
    return read(MetricsApiserverSettings, IGNORED, Given(given, environment))


def test_flags_of_a_manifest_for_keda_are_taken() -> None:
    made, notices = settings(MANIFEST, WATCH_NAMESPACE="", POD_NAMESPACE="keda")
    found = places(made)
    assert (found.operator, found.port) == ("keda-operator.keda.svc.cluster.local:9666", 6443)
    assert found.certificates == Path("/certs")
    assert found.clients == Path("/certs/ca.crt")
    assert [one.partition(" ")[0] for one in notices] == ["--disable-compression"]


def test_unset_the_operator_is_found_in_its_namespace() -> None:
    made, notices = settings(POD_NAMESPACE="autoscaling")
    assert places(made).operator == "keda-operator.autoscaling.svc.cluster.local:9666"
    assert places(made).clients is None
    assert notices == ()


@pytest.mark.parametrize("address", ["0.0.0.0", "::", ""])
def test_every_address_is_one_of_either_family(address: str) -> None:
    flags = {"--bind-address": address} if address else {}
    assert places(settings(flags)[0]).host == ""


def test_namespaces_are_told_to_be_the_operators() -> None:
    [notice] = settings(WATCH_NAMESPACE="shop")[1]
    assert notice.startswith("WATCH_NAMESPACE has no effect")


def test_tls_between_the_programs_has_its_own_settings() -> None:
    assert service_rules(settings()[0]).minimum_version == ssl.TLSVersion.TLSv1_2
    made = settings(KEDA_HTTP_MIN_TLS_VERSION="TLS13")[0]
    assert service_rules(made).minimum_version == ssl.TLSVersion.TLSv1_3
    made = settings(
        KEDA_HTTP_MIN_TLS_VERSION="TLS13",
        KEDA_SERVICE_MIN_TLS_VERSION="TLS12",
        KEDA_SERVICE_TLS_CIPHER_LIST="TLS_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    )[0]
    rules = service_rules(made)
    assert (rules.minimum_version, rules.ciphers) == (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256")


def test_what_cannot_be_is_told_all_at_once() -> None:
    with pytest.raises(ExceptionGroup) as told:
        settings({"--secure-port": "70000"}, KEDA_SERVICE_MIN_TLS_VERSION="SSL3")
    assert len(told.value.exceptions) == 2


@pytest.mark.parametrize("address", ["keda-operator", ":9666", "keda-operator:grpc"])
def test_an_address_without_host_or_port_is_refused(address: str) -> None:
    with pytest.raises(Misconfigured, match="write host:port"):
        Operator(address, ssl.create_default_context)
