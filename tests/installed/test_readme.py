"""The README's section "On a cluster", line by line: what it says to type is typed here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from parts.chart_cluster import NAMESPACE, ChartCluster
from parts.charts import IMAGE, ROOT
from parts.loopback import missing
from parts.servers import program
from parts.up import kubectl

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("chart")]
# What another test does (the image is built by tests/deploy/test_image.py), and what ends by Ctrl-C alone.
OTHERS = ("buildah build -f deploy/Dockerfile", "buildah push", "kubectl get deployment worker -w")


def lines() -> list[str]:
    """What stands behind a prompt, each with its continuation and without its comment."""
    _, _, rest = (ROOT / "README.md").read_text().partition("## On a cluster\n")
    section = rest.partition("\n## ")[0]
    blocks = "".join(re.findall(r"```\n(.*?)```", section, re.DOTALL)).replace("\\\n", " ")
    return [line[2:].partition(" #")[0].strip() for line in blocks.splitlines() if line.startswith("$ ")]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ChartCluster]:
    if os.geteuid() != 0:
        missing("only root reaches pods from this machine, and the API server must")
    with ChartCluster(tmp_path, runs_all=True) as cluster:
        yield cluster


def typed(cluster: ChartCluster, line: str) -> str:
    """Runs a line from the checkout's top folder."""
    words = [word.replace("registry.example.com/tidegate", IMAGE) for word in shlex.split(line)]
    if words[:2] == ["helm", "install"]:
        values = cluster.folder / "values.yaml"
        values.write_text(yaml.safe_dump(cluster.values()))
        words += ["-f", str(values)]
    words[0] = {"helm": str(program("helm", "bin/helm")), "kubectl": kubectl()}[words[0]]
    run = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(cluster.folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, f"{line}: {run.stderr}\n{cluster.told()}"
    return run.stdout


def test_what_the_readme_says_to_type_does_what_it_says(cluster: ChartCluster) -> None:
    said = lines()
    assert all(any(line.startswith(other) for line in said) for other in OTHERS), said
    for line in said:
        if not line.startswith(OTHERS):
            typed(cluster, line)
        if "send-messages" in line:
            cluster.until("it has some", lambda: cluster.replicas("worker", "default") > 1)
            cluster.until("it rests", lambda: cluster.replicas("worker", "default") == 0)
    assert not cluster.is_there(f"deployments -n {NAMESPACE}")
