"""`tidegate validate`: every problem with its file and line, before anything runs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from tidegate.cli.validate import command

ROOT = Path(__file__).parents[2]

BROKEN = """\
# two objects, several mistakes
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web}
spec:
  scaleTargetRef: {name: web}
  minReplicaCount: 2
  triggers:
    - type: cron
      metadata:
        timezone: Europe/Berlin
        start: 0 8 * * 1-5
        end: 0 18 * * 7
        desiredReplicas: "2"
    - type: redis
      metadata:
        address: redis:6379
        listName: jobs
        listLength: ten
        lisName: x
---
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: work}
spec:
  pollingInterval: 0
  jobTargetRef: {}
  triggers: []
"""


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, list(words), input=stdin)


def test_all_problems_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    result = run(str(file))
    told = [line.removeprefix(f"{file}:") for line in result.stdout.splitlines()]
    assert [line.split(":")[0] for line in told if " error:" in line] == ["13", "19", "26", "27", "28"]
    assert any(
        '19: error: ScaledObject/web: spec.triggers[1].metadata.listLength: "ten"' in one for one in told
    )
    assert any(line.startswith("20: warning: ") and "lisName" in line for line in told)
    assert any(line.startswith("14: warning: ") and "has no effect" in line for line in told)
    assert result.exit_code == 1
    assert "2 of 2 objects checked: 5 errors" in result.stderr


def test_programs_get_the_same_as_json() -> None:
    result = run("-", "-o", "json", stdin=BROKEN)
    remarks = msgspec.json.decode(result.stdout)
    assert {one["level"] for one in remarks} == {"error", "warning"}
    assert remarks[0].keys() == {"level", "place", "object", "text"}


def test_an_unknown_field_is_an_error() -> None:
    manifest = (ROOT / "examples/office-hours/office-hours.yaml").read_text()
    result = run("-", stdin=manifest.replace("cooldownPeriod:", "coolDownPeriod:"))
    assert "spec.coolDownPeriod: unknown field" in result.stdout
    assert result.exit_code == 1


def test_what_another_source_may_give_is_not_missing() -> None:
    """The password of the example comes from a Secret that nobody reads here."""
    result = run(str(ROOT / "examples" / "queue-worker"))
    assert result.stdout == ""
    assert result.exit_code == 0


def test_the_hpa_is_shown_as_the_server_would_make_it() -> None:
    result = run(str(ROOT / "examples" / "queue-worker"), "--show", "hpa")
    [hpa] = yaml.safe_load_all(result.stdout)
    assert hpa["metadata"]["name"] == "keda-hpa-worker"
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (1, 10)
    [metric] = hpa["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == "s0-redis-jobs"
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "5"}


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("idleReplicaCount: 1\n  minReplicaCount: 2", "only 0 works"),
        ("minReplicaCount: 3", "has no effect: minReplicaCount is 3 anyway"),
        ("maxReplicaCount: 2", "is more than maxReplicaCount 2"),
        ("minReplicaCount: 1\n  initialCooldownPeriod: 9", "nothing is scaled to zero"),
    ],
)
def test_fields_without_effect_are_named(field: str, word: str) -> None:
    manifest = (ROOT / "examples/office-hours/office-hours.yaml").read_text()
    manifest = manifest.replace("  maxReplicaCount: 5", f"  {field}")
    result = run("-", stdin=manifest)
    assert word in result.stdout
    assert result.exit_code == 0
