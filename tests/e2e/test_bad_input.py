"""What users get wrong: manifests, images, ports and directories. Each answer says all, and what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from parts.manifests import sleepers
from parts.up import Up

pytestmark = [pytest.mark.e2e, pytest.mark.real]

REFUSED = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: refused}
spec:
  scaleTargetRef: {name: web}
  minReplicaCount: -1
  maxReplicaCount: ten
  idleReplicaCount: 3
  coolDownPeriod: 5
  triggers:
    - type: redis
      metadata: {address: "r:6379", listName: q, listLength: 5}
    - metadata: {x: "1"}
"""
ACCEPTED = (
    sleepers("web", 2)
    + """---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: accepted}
spec:
  scaleTargetRef: {name: web}
  cooldownPeriod: 0
  triggers:
    - type: cron
      metadata: {timezone: UTC, start: 0 0 1 1 *, end: 1 0 1 1 *, desiredReplicas: "1", colour: red}
    - type: redis
      metadata: {address: "r:6379", listLength: ten, databaseIndex: first}
    - type: telepathy
      metadata: {thought: any}
"""
)
PROBLEMS = (
    'spec.triggers[1].metadata.listName: missing required parameter "listName" in [triggerMetadata]',
    'spec.triggers[1].metadata.listLength: "ten" is not a number',
    'spec.triggers[1].metadata.databaseIndex: "first" is not a number',
    "spec.triggers[2].type: no scaler found for type: telepathy",
)
NOTICE = "spec.triggers[0].metadata.colour: no setting of cron triggers has this name; it is ignored"


def test_what_keda_refuses_is_refused_with_all_causes_and_not_stored(up: Up) -> None:
    said = up.kubectl("apply", "-f", "-", stdin=REFUSED, check=False)
    assert 'The ScaledObject "refused" is invalid:' in said
    for cause in (
        "spec.minReplicaCount: Invalid value: -1",
        'spec.maxReplicaCount: Invalid value: "ten"',
        "spec.idleReplicaCount: Invalid value: 3",
        "spec.triggers[0].metadata.listLength: Invalid value: 5",
        "spec.triggers[1].type: Required value",
        'spec.coolDownPeriod: Forbidden: unknown field; did you mean "cooldownPeriod"?',
    ):
        assert cause in said
    assert up.get("scaledobjects")["items"] == []


def test_a_bad_edit_is_refused_and_the_old_object_stays(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=ACCEPTED)
    before = up.get("scaledobject", "accepted")["spec"]
    patch = '{"spec": {"minReplicaCount": 5, "maxReplicaCount": 2, "pollingInterval": 0}}'
    said = up.kubectl("patch", "scaledobject", "accepted", "--type=merge", "-p", patch, check=False)
    assert "minReplicaCount must be less than or equal to maxReplicaCount (2)" in said
    assert "spec.pollingInterval: Invalid value: 0" in said
    assert up.get("scaledobject", "accepted")["spec"] == before


def test_a_workload_that_is_scaled_already_is_refused_to_whoever_comes_second(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=ACCEPTED)
    second = ACCEPTED.replace("{name: accepted}", "{name: second}")
    said = up.kubectl("apply", "-f", "-", stdin=second, check=False)
    assert 'The ScaledObject "second" is invalid: ' in said
    assert "spec.scaleTargetRef: " in said
    assert "'web' of type 'apps/v1.Deployment' is already managed by the ScaledObject 'accepted'" in said
    up.kubectl("apply", "-f", "-", stdin=sleepers("old", 1))
    up.kubectl("autoscale", "deployment", "old", "--max=3")
    said = up.kubectl("apply", "-f", "-", stdin=second.replace("{name: web}", "{name: old}"), check=False)
    assert "'old' of type 'apps/v1.Deployment' is already managed by the hpa 'old'" in said
    assert [one["metadata"]["name"] for one in up.get("scaledobjects")["items"]] == ["accepted"]


def test_trigger_metadata_that_keda_accepts_is_stored_and_all_its_problems_are_told(up: Up) -> None:
    said = up.kubectl("apply", "-f", "-", stdin=ACCEPTED, check=False)
    assert "scaledobject.keda.sh/accepted created" in said
    for text in (*PROBLEMS, NOTICE):
        assert f"Warning: {text}" in said

    def ready() -> dict[str, str]:
        conditions = up.get("scaledobject", "accepted").get("status", {}).get("conditions", ())
        return next((one for one in conditions if one["type"] == "Ready"), {})

    up.until("it is judged", lambda: ready().get("status") == "False")
    assert ready()["reason"] == "ScaledObjectCheckFailed"
    described = up.kubectl("describe", "scaledobject", "accepted")
    events = described[described.index("Events:") :]
    for text in PROBLEMS:
        assert text in ready()["message"]
        assert text in events
    assert NOTICE in events
    # Two triggers are unknown: nothing goes to zero, however short the cooldown.
    assert up.get("deployment", "web")["spec"]["replicas"] == 2
    up.kubectl("delete", "scaledobject", "accepted", "--timeout=30s")


def test_an_image_that_names_nothing_runnable_waits_and_says_what_to_configure(up: Up) -> None:
    pod = """
apiVersion: v1
kind: Pod
metadata: {name: strange}
spec:
  containers: [{name: c, image: "ghcr.io/acme/processor:1.2"}]
"""
    up.kubectl("apply", "-f", "-", stdin=pod)

    def waiting() -> dict[str, str]:
        statuses = up.get("pod", "strange").get("status", {}).get("containerStatuses", ())
        return dict(statuses[0]["state"].get("waiting", {})) if statuses else {}

    up.until(
        "it waits",
        lambda: waiting().get("reason") in ("ErrImagePull", "ImagePullBackOff") and "message" in waiting(),
    )
    assert any(word in up.kubectl("get", "pod", "strange") for word in ("ErrImagePull", "ImagePullBackOff"))
    described = up.kubectl("describe", "pod", "strange")
    for text in (
        'cannot run image "ghcr.io/acme/processor:1.2"',
        "images.yaml",
        "give the container a command",
    ):
        assert text in described
    assert up.get("pod", "strange")["status"]["phase"] == "Pending"


# --- starting


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def refused(data_dir: Path, port: int = 0) -> str:
    """What `tidegate up` says on standard error when it must not start; one line, exit code 1."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "tidegate.cli.main", "up"),
            *("--data-dir", str(data_dir), "--port", str(port)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    (line,) = run.stderr.splitlines()
    return line


def test_a_port_in_use_is_said_with_a_way_out(tmp_path: Path) -> None:
    with taken_port() as port:
        said = refused(tmp_path / "state", port)
    assert said.startswith(f"tidegate: cannot listen on 127.0.0.1:{port}: ")
    assert "--port" in said


def test_a_directory_in_use_names_who_uses_it(up: Up) -> None:
    assert up.process is not None
    said = refused(up.folder)
    assert f"pid {up.process.pid} " in said
    assert "--data-dir" in said
    up.kubectl("get", "pods")


@pytest.mark.parametrize("kept", [0, 4096], ids=["not a database", "broken pages"])
def test_a_corrupt_database_is_named_and_left_as_it_is(tmp_path: Path, kept: int) -> None:
    server = Up(tmp_path / "state")
    server.start()
    server.stop()
    file = tmp_path / "state" / "state.db"
    whole = file.read_bytes()
    broken = whole[:kept] + b"\xab" * (len(whole) - kept)
    file.write_bytes(broken)
    said = refused(tmp_path / "state")
    assert said.startswith(f"tidegate: cannot read the database on {file}: ")
    assert "move the file away" in said
    assert file.read_bytes() == broken


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refused(tmp_path / "file" / "state")
    assert "not a directory" in said
    assert "--data-dir" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_is_not_ours_to_write_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o500)
    said = refused(tmp_path / "state")
    assert "permission denied" in said
    assert "--data-dir" in said
