"""`tidegate poll`: real sources, asked once; failures told with a next step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Misconfigured
from tidegate.cli.commands.poll import command
from tidegate.cli.commands.validate import command as validate
from tidegate.cli.manifests.lookup import as_stored
from tidegate.cli.polling.measure_once import asked_for
from tidegate.core.values import ExternalMetric

ROOT = Path(__file__).parents[3]
ALWAYS = (
    (ROOT / "examples/office-hours/office-hours.yaml")
    .read_text()
    .replace("0 8 * * 1-5", '"* * * * *"')
    .replace("0 18 * * 1-5", "0 0 29 2 *")
)


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, list(words), input=stdin)


def scaled_object(**spec: int) -> ScaledObject:
    triggers = [{"type": "cron", "metadata": {}}]
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": triggers, **spec},
    }
    found = decode(body)
    assert isinstance(found, ScaledObject)
    return found


def test_a_clock_answers_without_any_server() -> None:
    result = run("-f", "-", "-o", "json", stdin=ALWAYS)
    [answer] = msgspec.json.decode(result.stdout)
    assert answer["failure"] == ""
    assert answer["value"] in (0.0, 3.0)
    assert result.exit_code == 0


def test_a_misspelt_setting_is_told_as_validate_does_and_is_no_error() -> None:
    result = run("-f", "-", stdin=ALWAYS.replace("timezone:", "timezon: UTC\n        timezone:"))
    assert "metadata.timezon: no setting of cron triggers has this name; it is ignored" in result.stderr
    assert result.exit_code == 0


def test_a_missing_secret_is_named_and_nothing_is_asked() -> None:
    result = run("-f", str(ROOT / "examples/queue-worker/03-scaling.yaml"))
    assert "there is no Secret default/queue-password" in result.stderr
    assert result.exit_code == 1


def test_a_server_that_cannot_be_reached_is_told_with_a_next_step_and_never_its_password() -> None:
    manifests = "\n---\n".join(
        (ROOT / "examples/queue-worker" / name).read_text() for name in ("01-redis.yaml", "03-scaling.yaml")
    )
    manifests = manifests.replace("queue.default.svc.cluster.local:6379", "127.0.0.1:1")
    result = run("-f", "-", stdin=manifests)
    assert "connection refused" in result.stderr
    assert "check that the server runs" in result.stderr
    assert "change-me" not in result.stdout + result.stderr
    assert result.exit_code == 1


def test_files_without_triggers_are_an_error() -> None:
    result = run("-f", str(ROOT / "examples/csv-pipeline/01-redis.yaml"))
    assert result.exit_code != 0


def test_the_texts_of_a_secret_are_read_as_a_server_would_keep_them() -> None:
    kept = as_stored({"kind": "Secret", "stringData": {"a": "x"}, "data": {"b": "eQ=="}})
    assert kept["data"] == {"a": "eA==", "b": "eQ=="}


@pytest.mark.parametrize(
    ("value", "target", "is_active", "expected"),
    [(42, 5, True, 9), (0, 5, False, 0), (1, 5, True, 1), (1000, 5, True, 100), (5, 0, True, None)],
)
def test_a_value_asks_for_replicas(
    value: float, target: float, is_active: bool, expected: int | None
) -> None:
    metric = ExternalMetric("m", target, "AverageValue")
    assert asked_for(scaled_object(), value, metric, is_active=is_active) == expected


def test_an_inactive_object_rests_at_its_idle_count() -> None:
    metric, object = (
        ExternalMetric("m", 5.0, "AverageValue"),
        scaled_object(minReplicaCount=2, idleReplicaCount=0),
    )
    assert asked_for(object, 0, metric, is_active=False) == 0
    assert asked_for(object, 7, metric, is_active=True) == 2


def test_a_metric_of_type_value_asks_for_no_count_of_its_own() -> None:
    metric = ExternalMetric("m", 5.0, "Value")
    assert asked_for(scaled_object(), 42, metric, is_active=True) is None
    assert asked_for(scaled_object(), 0, metric, is_active=False) == 0


@given(st.floats(0, 1e6), st.floats(0.001, 1e3), st.integers(0, 20), st.integers(20, 200))
def test_what_is_asked_for_stays_within_the_bounds(
    value: float, target: float, least: int, most: int
) -> None:
    object = scaled_object(minReplicaCount=least, maxReplicaCount=most)
    found = asked_for(object, value, ExternalMetric("m", target, "AverageValue"), is_active=True)
    assert found is not None
    assert max(1, least) <= found <= most


def manifest(spec: str) -> str:
    return (
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: web}\n"
        f"spec:\n  scaleTargetRef: {{name: web}}\n  {spec}\n"
    )


def test_a_broken_manifest_gets_the_words_of_validate(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        manifest('minReplicaCount: "1"\n  triggers: [{type: redis, metadata: {address: 5, listLength: ten}}]')
    )
    polled = run(str(file))
    told = CliRunner().invoke(validate, ["-f", str(file)])
    assert polled.stderr == told.stdout
    assert polled.stdout == ""
    assert polled.exit_code == 1
    [answer] = msgspec.json.decode(run(str(file), "-o", "json").stdout)
    assert answer["is_wrong"]
    assert "spec.minReplicaCount" in answer["failure"]


def test_a_mistake_that_only_an_authentication_shows_is_told_once() -> None:
    trigger = (
        "triggers: [{type: rabbitmq, metadata: {queueName: q, pageSize: '0'}, authenticationRef: {name: a}}]"
    )
    authentication = (
        "\n---\napiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: a}\n"
        "spec: {secretTargetRef: [{parameter: password, name: a, key: p}]}\n"
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {p: hunter2}\n"
    )
    result = run("-", stdin=manifest(trigger) + authentication)
    assert result.exit_code == 1
    assert "scaledobject/web, trigger 0: rabbitmq: spec.triggers[0].metadata.host: missing" in result.stderr
    assert result.stderr.count("pageSize should be 1 or greater") == 1
    assert "hunter2" not in result.stdout + result.stderr


def test_a_namesakes_mistake_does_not_speak_for_another() -> None:
    trigger = "triggers: [{type: rabbitmq, metadata: {queueName: q}%s}]"
    authentication = (
        "\n---\napiVersion: keda.sh/v1alpha1\nkind: TriggerAuthentication\nmetadata: {name: a}\n"
        "spec: {secretTargetRef: [{parameter: password, name: a, key: p}]}\n"
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {p: hunter2}\n"
    )
    other = manifest(trigger % "").replace("{name: web}", "{name: web, namespace: other}", 1)
    mine = manifest(trigger % ", authenticationRef: {name: a}")
    result = run("-", stdin=f"{mine}{authentication}---\n{other}")
    assert "scaledobject/web, trigger 0: rabbitmq: spec.triggers[0].metadata.host: missing" in result.stderr


def test_triggers_are_asked_for_side_by_side() -> None:
    """A dead server is waited for once, not once for each of its triggers: here nobody is answered alone."""
    together = Barrier(4)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            together.wait(2)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"7")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        wanted = "valueLocation: '@this', targetValue: '1'"
        first, second = (
            f"triggers: [{{type: metrics-api, metadata: {{url: '{url}/{n}', {wanted}}}}},"
            f" {{type: metrics-api, metadata: {{url: '{url}/{n}/b', {wanted}}}}}]"
            for n in "12"
        )
        result = run("-", "-o", "json", stdin=f"{manifest(first)}\n---\n{manifest(second)}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [one["value"] for one in msgspec.json.decode(result.stdout)] == [7.0] * 4, result.output


def test_what_the_hpa_reads_is_no_failure() -> None:
    by_cpu = 'minReplicaCount: 1\n  triggers: [{type: cpu, metricType: Utilization, metadata: {value: "60"}}]'
    result = run("-", stdin=manifest(by_cpu))
    assert result.exit_code == 0
    assert "0: cpu    read by the HPA itself   -" in result.stdout
    assert result.stderr == ""


def test_a_formula_has_a_row_of_its_own_and_speaks_for_its_sources() -> None:
    always = "timezone: UTC, start: '* * * * *', end: 0 0 29 2 *"
    spec = (
        "advanced: {scalingModifiers: {formula: a + b, target: '2', activationTarget: '1'}}\n  triggers:\n"
        f"  - {{type: cron, name: a, metadata: {{{always}, desiredReplicas: '3'}}}}\n"
        f"  - {{type: cron, name: b, metadata: {{{always}, desiredReplicas: '4'}}}}\n"
    )
    result = run("-", "-o", "json", stdin=manifest(spec))
    *sources, formula = msgspec.json.decode(result.stdout)
    assert [(one["target"], one["is_active"], one["replicas"]) for one in sources] == [(None, None, None)] * 2
    total = sum(one["value"] for one in sources)
    assert (formula["trigger"], formula["metric"]) == ("formula", "composite-metric")
    assert (formula["value"], formula["target"], formula["activation"]) == (total, 2.0, 1.0)
    assert (formula["is_active"], formula["replicas"]) == (total > 1, math.ceil(total / 2))
    assert result.exit_code == 0


def test_pods_need_a_cluster() -> None:
    spec = "triggers: [{type: kubernetes-workload, metadata: {podSelector: app=x, value: '1'}}]"
    result = run("-", stdin=manifest(spec))
    assert "kubernetes-workload needs a cluster; name a kubeconfig with --kubeconfig" in result.stderr


def test_unreadable_files_take_nothing_from_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [\n")
    (tmp_path / "b.yaml").write_text(ALWAYS)
    result = run("-f", str(tmp_path))
    assert f"{tmp_path}/a.yaml:2:1: error: did not find" in result.stderr
    assert "nothing was done" not in result.stderr
    assert "0: cron" in result.stdout
    assert result.exit_code == 1
    assert run().exit_code == 2


def test_files_without_objects_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# nothing\n")
    with pytest.raises(Misconfigured, match=r"a\.yaml: there is no object in it"):
        raise run(str(tmp_path / "a.yaml")).exception or AssertionError


def test_errors_of_objects_that_no_trigger_is_read_by_are_left_to_validate() -> None:
    service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {prots: []}\n"
    assert run("-", stdin=ALWAYS + service).exit_code == 0
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: 5}\n"
    assert "stringData.a: Invalid value" in run("-", stdin=ALWAYS + secret).stderr


def test_what_a_config_map_of_the_files_keeps_needs_no_cluster() -> None:
    metadata = "{resourceKind: ConfigMap, resourceName: forecast, key: next, targetValue: '2'}"
    spec = f"triggers: [{{type: kubernetes-resource, metadata: {metadata}}}]"
    numbers = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: forecast}\ndata: {next: '7'}\n"
    result = run("-", stdin=f"{manifest(spec)}\n{numbers}")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].split()[4:7] == ["7", "2", "0"]
    missing = run("-", stdin=manifest(spec))
    assert missing.exit_code == 1
    assert "ConfigMap default/forecast: there is no such object" in missing.stderr


METRICS = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web}
spec:
  scaleTargetRef: {name: web}
  triggers:
  - type: metrics-api
    metadata: {url: "URL", valueLocation: waiting, targetValue: "5"}
"""


@contextmanager
def refusing(body: bytes) -> Iterator[str]:
    """The URL of a server that answers everybody with status 500 and this body."""

    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refusal) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://u:hunter2@127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_beginning_of_a_refused_answer_is_shown_and_no_secret_of_it() -> None:
    with refusing(b"the database\x1b[2J of hunter2\n is down" + b"." * 500) as url:
        result = run("-f", "-", stdin=METRICS.replace("URL", url))
        told = run("-f", "-", "-o", "json", stdin=METRICS.replace("URL", url))
    assert "500 Internal Server Error" in result.stderr
    assert "the answer began: the database [2J of *** is down....." in result.stderr
    assert "hunter2" not in result.stderr + result.stdout + told.stdout
    [answer] = msgspec.json.decode(told.stdout)
    assert "database" not in answer["failure"]
    assert answer["said"].startswith("the database [2J of ***")
