"""The chart as Helm renders it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from parts.servers import program

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "charts" / "tidegate"
IMAGE = "registry.example.com/tidegate"
LIMIT_S = 300.0

Object = dict[str, Any]


class Helm:
    """Helm with nothing of the machine's own user: its settings and caches lie in `folder`."""

    def __init__(self, folder: Path, kubeconfig: Path | None = None) -> None:
        self._helm = str(program("helm", "bin/helm"))
        homes = {f"HELM_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        self._environment = {**os.environ, **homes, "KUBECONFIG": str(kubeconfig or folder / "none")}

    def run(self, *words: str, values: Object | None = None, check: bool = True) -> str:
        """What it prints; with `check` it must succeed, without it its complaints are there, too."""
        given = ["-f", "-"] if values is not None else []
        run = subprocess.run(
            [self._helm, *words, *given],
            input=yaml.safe_dump(values) if values is not None else "",
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env=self._environment,
        )
        if check:
            assert run.returncode == 0, f"helm {' '.join(words)}: {run.stderr}{run.stdout}"
        return run.stdout if check else run.stdout + run.stderr

    def objects(self, values: Object | None = None, namespace: str = "keda") -> list[Object]:
        """The chart's objects with these values, and an image."""
        text = self.run("template", "tidegate", str(CHART), "-n", namespace, values=with_image(values or {}))
        return [one for one in yaml.safe_load_all(text) if one]

    def refusal(self, values: Object) -> str:
        """What it says of values with which it renders nothing."""
        text = self.run("template", "tidegate", str(CHART), values=values, check=False)
        assert "Error:" in text, text
        return text


def with_image(values: Object) -> Object:
    return merged({"image": {"keda": {"repository": IMAGE}}}, values)


def merged(one: Object, other: Object) -> Object:
    """Both, as Helm puts values over others."""
    result = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def find(objects: list[Object], kind: str, name: str, namespace: str | None = None) -> Object:
    """The one object of that kind and name."""
    found = [
        one
        for one in objects
        if one["kind"] == kind
        and one["metadata"]["name"] == name
        and namespace in (None, one["metadata"].get("namespace", ""))
    ]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def container(objects: list[Object], deployment: str) -> Object:
    pod = find(objects, "Deployment", deployment)["spec"]["template"]["spec"]
    first: Object = pod["containers"][0]
    return first
