"""The plain manifests, applied as their first lines say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from parts.charts import ROOT
from parts.control_plane import ControlPlane
from parts.up import kubectl, needs_kubectl

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("chart")]
NAMESPACE = "keda"


def test_the_plain_manifests_are_taken_without_a_warning_and_again(tmp_path: Path) -> None:
    needs_kubectl()
    plain = ROOT / "deploy" / "tidegate.yaml"
    with ControlPlane() as plane:

        def run(*words: str) -> str:
            command = [kubectl(), f"--kubeconfig={plane.kubeconfig}", *words]
            told = subprocess.run(
                command, capture_output=True, text=True, timeout=120, env={"HOME": str(tmp_path), "PATH": ""}
            )
            assert (told.returncode, told.stderr) == (0, ""), told.stderr
            return told.stdout

        apply = ("apply", "-f", str(ROOT / "deploy" / "crds"), "-f", str(plain))
        run(*apply)
        # Pods of the strictest standard are let in.
        run("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        # A PodDisruptionBudget is told as changed whenever kubectl applies one.
        other = [line for line in run(*apply).splitlines() if not line.startswith("poddisruptionbudget")]
        assert [line for line in other if not line.endswith(" unchanged")] == []
        wanted = [one for one in yaml.safe_load_all(plain.read_text()) if one and one["kind"] == "Deployment"]
        there = json.loads(run("get", "deployments", "-n", NAMESPACE, "-o", "json"))["items"]
        assert {one["metadata"]["name"] for one in there} == {one["metadata"]["name"] for one in wanted}
