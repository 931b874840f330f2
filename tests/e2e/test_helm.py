"""Helm itself against local mode: a release from its installation to its end, its hooks, a chart of ours."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from parts.charts import ROOT, Helm
from parts.loopback import free_port
from parts.up import Up

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("helm")]

SHOP = str(Path(__file__).with_name("shop-chart"))


@pytest.fixture(scope="module")
def up(shared_up: Up) -> Up:
    return shared_up


def released(helm: Helm, name: str) -> tuple[str, str]:
    """Revision and status, as `helm list` has them."""
    [one] = [one for one in json.loads(helm.run("list", "-a", "-o", "json")) if one["name"] == name]
    return one["revision"], one["status"]


def word(up: Up, name: str) -> str:
    return up.kubectl("get", "configmap", f"{name}-words", "-o", "jsonpath={.data.word}")


def test_a_release_is_installed_upgraded_rolled_back_and_gone(up: Up, helm: Helm) -> None:
    helm.run("install", "shop", SHOP, "--wait", "--timeout", "60s")
    assert released(helm, "shop") == ("1", "deployed")
    assert up.kubectl("logs", "job/shop-pre-install") == "pre-install one\n"
    assert up.kubectl("get", "till", "shop", "-o", "jsonpath={.spec.word}") == "one"
    helm.run("upgrade", "shop", SHOP, "--wait", "--timeout", "60s", "--set", "word=two,replicas=2")
    assert (released(helm, "shop"), word(up, "shop")) == (("2", "deployed"), "two")
    assert up.kubectl("logs", "job/shop-post-upgrade") == "post-upgrade two\n"
    ready = up.kubectl("get", "deployment", "shop", "-o", "jsonpath={.status.readyReplicas}")
    assert ready == "2"
    helm.run("rollback", "shop", "1", "--wait", "--timeout", "60s")
    assert (released(helm, "shop"), word(up, "shop")) == (("3", "deployed"), "one")
    assert "Phase:          Succeeded" in helm.run("test", "shop", "--timeout", "60s")
    assert len(json.loads(helm.run("history", "shop", "-o", "json"))) == 3
    helm.run("uninstall", "shop", "--wait", "--timeout", "60s")
    assert json.loads(helm.run("list", "-a", "-o", "json")) == []
    left = up.kubectl("get", "deployment,configmap,till,secret", "-o", "name").split()
    assert [name for name in left if "shop" in name] == []
    assert up.kubectl("logs", "job/shop-post-delete") == "post-delete one\n"


def test_a_hook_that_fails_stops_its_upgrade(up: Up, helm: Helm) -> None:
    helm.run("install", "cafe", SHOP, "--wait", "--timeout", "60s", "--skip-crds")
    said = helm.run("upgrade", "cafe", SHOP, "--set", "fails=true,word=two", "--timeout", "60s", check=False)
    assert "pre-upgrade hooks failed" in said
    assert (released(helm, "cafe"), word(up, "cafe")) == (("2", "failed"), "one")
    said = helm.run(
        *("upgrade", "cafe", SHOP, "--set", "fails=true,word=three", "--atomic", "--timeout", "60s"),
        check=False,
    )
    assert "has been rolled back" in said
    assert (released(helm, "cafe"), word(up, "cafe")) == (("4", "deployed"), "one")
    helm.run("uninstall", "cafe")


def test_what_another_owns_is_not_taken(up: Up, helm: Helm) -> None:
    up.kubectl("create", "configmap", "kiosk-words")
    said = helm.run("install", "kiosk", SHOP, "--skip-crds", check=False)
    assert "invalid ownership metadata" in said
    up.kubectl("delete", "configmap", "kiosk-words")


@contextmanager
def forwarded(up: Up, what: str, port: int) -> Iterator[int]:
    local = free_port()
    command = ["kubectl", "--kubeconfig", str(up.kubeconfig), "port-forward", what, f"{local}:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Forwarding")
        try:
            yield local
        finally:
            process.kill()


def asked(port: int, path: str, login: str = "") -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_our_chart_runs_a_rabbitmq_with_its_login(up: Up, helm: Helm) -> None:
    settings = "auth.username=jane,auth.password=se:cret,metrics.enabled=true,persistence.enabled=true"
    chart = str(ROOT / "examples" / "charts" / "rabbitmq")
    assert "1 chart(s) linted, 0 chart(s) failed" in helm.run("lint", chart, "--strict")
    helm.run("install", "queue", chart, "--set", settings, "--wait", "--timeout", "120s")
    with forwarded(up, "service/queue", 15672) as port:
        assert asked(port, "/api/whoami", "jane:wrong")[0] == 401
        status, body = asked(port, "/api/whoami", "jane:se:cret")
        assert (status, json.loads(body)["name"]) == (200, "jane")
    with forwarded(up, "pod/queue-0", 15692) as port:
        status, body = asked(port, "/metrics")
        assert (status, b"rabbitmq_build_info" in body) == (200, True)
    helm.run("uninstall", "queue", "--wait", "--timeout", "60s")


def test_kustomizations_are_applied(up: Up, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text(
        "namePrefix: small-\nresources: [web.yaml]\n"
        "configMapGenerator: [{name: words, literals: [word=one]}]\n"
    )
    (tmp_path / "web.yaml").write_text(
        "{apiVersion: v1, kind: Service, metadata: {name: web}, "
        "spec: {selector: {a: b}, ports: [{port: 8080}]}}"
    )
    said = up.kubectl("apply", "-k", str(tmp_path))
    assert "service/small-web created" in said
    assert "configmap/small-words-" in said
    assert "unchanged" in up.kubectl("apply", "-k", str(tmp_path))
    assert "serverside-applied" in up.kubectl("apply", "--server-side", "-k", str(tmp_path))
    up.kubectl("delete", "-k", str(tmp_path))
