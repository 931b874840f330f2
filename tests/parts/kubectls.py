"""Real kubectls of several versions against a served API."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from parts.served import Served

ROOT = Path(__file__).parents[2]
VERSIONS = ("1.27", "1.30", "1.32", "current")

Answer = tuple[int, str, str]
Kubectl = Callable[..., Awaitable[Answer]]


def kubectl_path(version: str) -> Path | None:
    if version != "current":
        path = ROOT / ".tools" / f"kubectl-{version}"
        return path if path.exists() else None
    path = Path(sys.prefix) / "bin" / "kubectl"
    found = str(path) if path.exists() else shutil.which("kubectl")
    return Path(found) if found else None


def kubectl_of(version: str, served: Served, folder: Path) -> Kubectl:
    """Runs the kubectl of a version: exit code, stdout, stderr."""
    path = kubectl_path(version)
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            f"kubectl {version} is missing; `make tools` fetches it"
        )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "KUBECONFIG": str(served.server.kubeconfig),
        "KUBE_EDITOR": "sed -i s/moon/sun/",
    }

    async def run(*words: str, stdin: str = "") -> Answer:
        process = await asyncio.create_subprocess_exec(
            str(path),
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=folder,
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate(stdin.encode())
        return process.returncode or 0, out.decode(), err.decode()

    run.version = version  # type: ignore[attr-defined]
    return run


async def good(kubectl: Kubectl, *words: str, stdin: str = "") -> str:
    code, out, err = await kubectl(*words, stdin=stdin)
    assert code == 0, f"kubectl {' '.join(words)}: {err}"
    return out


async def apply(kubectl: Kubectl, manifest: str, *words: str) -> list[str]:
    return (await good(kubectl, "apply", "-f", "-", *words, stdin=manifest)).splitlines()
