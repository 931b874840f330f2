"""The order of docs/migrate-from-keda.md with the real helm: no object is lost, there or on the way back.

The charts are stand-ins that do with KEDA's definitions what its chart does: templates behind a value.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from parts.control_plane import ControlPlane
from parts.keda_recording import RECORDINGS, definitions
from parts.real_cluster import GROUP
from parts.servers import program
from parts.waiting import wait_until
from tidegate.cli.main import tidegate

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

OBJECTS = "/apis/keda.sh/v1alpha1/namespaces/default/scaledobjects"
OBJECT = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"name": "web"},
        "triggers": [{"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}}],
    },
}
PATIENCE_S = 30.0


class Move:
    """An administrator with helm and tidegate."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane, self.folder = plane, folder
        for name in ("keda", "tidegate"):
            self._chart(folder / name)

    def _chart(self, folder: Path) -> None:
        (folder / "templates").mkdir(parents=True)
        chart = {"apiVersion": "v2", "name": folder.name, "version": "1.0.0"}
        (folder / "Chart.yaml").write_text(json.dumps(chart))
        (folder / "values.yaml").write_text(json.dumps({"crds": {"install": True}}))
        bodies = "\n---\n".join(json.dumps(one) for one in definitions(RECORDINGS[-1]))
        text = "{{- if .Values.crds.install }}\n" + bodies + "\n{{- end }}\n"
        (folder / "templates" / "crds.yaml").write_text(text)
        own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{folder.name}-own"}}
        (folder / "templates" / "own.yaml").write_text(json.dumps(own))

    def helm(self, *words: str) -> str:
        run = subprocess.run(
            [str(program("helm", "bin/helm")), *words, "--namespace", "keda"],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "KUBECONFIG": str(self.plane.kubeconfig), "HOME": str(self.folder)},
        )
        assert run.returncode == 0, f"helm {' '.join(words)}: {run.stderr}"
        return run.stdout

    def install(self, chart: str, *words: str) -> None:
        self.helm("install", chart, str(self.folder / chart), "--create-namespace", *words)

    def adopt(self, *words: str) -> Result:
        arguments = ["migrate", "adopt-crds", "--kubeconfig", str(self.plane.kubeconfig), *words]
        return CliRunner().invoke(tidegate, arguments)

    def objects(self) -> list[str]:
        """The uids of what is there; none where the kind is gone."""
        try:
            found: list[Any] = self.plane.get(OBJECTS)["items"]
        except OSError:
            return []
        return [one["metadata"]["uid"] for one in found]

    def create(self) -> str:
        """A ScaledObject, as soon as its kind is served; its uid."""
        wait_until(lambda: self.plane.has(OBJECTS), "KEDA's kinds are served", PATIENCE_S)
        run = subprocess.run(
            ["kubectl", "create", "-f", "-"],
            input=json.dumps(OBJECT),
            capture_output=True,
            text=True,
            env={**os.environ, "KUBECONFIG": str(self.plane.kubeconfig), "HOME": str(self.folder)},
        )
        assert run.returncode == 0, run.stderr
        [uid] = self.objects()
        return uid


@pytest.fixture
def move(tmp_path: Path) -> Iterator[Move]:
    with ControlPlane() as plane:
        yield Move(plane, tmp_path)


def test_there_and_back_every_object_stays_the_same_one(move: Move) -> None:
    move.install("keda")
    uid = move.create()

    assert move.adopt().exit_code == 3
    kept = move.adopt("--apply")
    assert kept.exit_code == 3, kept.output
    assert "helm uninstall of keda/keda would still delete 6 definitions." in kept.output
    move.helm("upgrade", "keda", str(move.folder / "keda"), "--set", "crds.install=false")
    assert move.adopt().exit_code == 0
    move.helm("uninstall", "keda", "--wait")
    assert move.objects() == [uid]

    move.install("tidegate")
    assert move.objects() == [uid]

    # And back: the definitions first, as they are Tidegate's now.
    back = ("--release", "keda", "--release-namespace", "keda")
    assert move.adopt(*back, "--apply").exit_code == 3
    move.helm("upgrade", "tidegate", str(move.folder / "tidegate"), "--set", "crds.install=false")
    assert move.adopt(*back).exit_code == 0
    move.helm("uninstall", "tidegate", "--wait")
    move.install("keda")
    assert move.objects() == [uid]


def test_what_adopt_crds_warns_of_is_so(move: Move) -> None:
    """An annotation alone keeps nothing at `helm uninstall`: helm goes by what it has stored."""
    move.install("keda")
    move.create()
    assert "would still delete" in move.adopt("--apply").output
    move.helm("uninstall", "keda")
    wait_until(lambda: move.objects() == [], "the definitions are gone, and with them the object", PATIENCE_S)
