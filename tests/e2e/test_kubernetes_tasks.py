"""Tasks of Kubernetes' documentation, with its commands and manifests of our own, by two kubectls.

`kubernetes_tasks/*.txt` holds them: `== title of the page`, its files (`--- name`), and `$ command` with what
it has to say, each line a part of it (`^…$` a pattern, `|` between two of which one is enough). `until` asks
again until it says so, `fails` wants an error, `any` takes both.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from parts.loopback import missing
from parts.up import ROOT, Up, kubectl, needs_kubectl, needs_redis

pytestmark = [pytest.mark.e2e, pytest.mark.real]

FOLDER = Path(__file__).parent / "kubernetes_tasks"
OLD = "1.27"
WIDTH = 4
PATIENCE_S = 60.0
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace"}


@dataclass
class Line:
    """A command, and what is wanted of it."""

    command: str
    wanted: list[str] = field(default_factory=list)
    until: bool = False
    code: str = "good"

    def is_right(self, code: int, said: str) -> bool:
        is_as_meant = self.code == "any" or (code == 0) == (self.code == "good")
        return is_as_meant and all(fits(one, said) for one in self.wanted)


@dataclass
class Task:
    title: str
    files: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    @property
    def name(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower())[:60].strip("-")


def fits(wanted: str, said: str) -> bool:
    if wanted.startswith("^"):
        return re.search(wanted, said, re.MULTILINE) is not None
    return any(one in said for one in wanted.split("|") if one)


def tasks(*themes: str) -> list[Task]:
    files = [FOLDER / f"{theme}.txt" for theme in themes] or sorted(FOLDER.glob("*.txt"))
    return [task for file in files for task in parsed(file.read_text().splitlines())]


def parsed(lines: Sequence[str]) -> Iterator[Task]:
    task, name = Task(""), ""
    for line in lines:
        if line.startswith("== "):
            if task.title:
                yield task
            task, name = Task(line[3:]), ""
        elif line.startswith("--- "):
            name = line[4:]
            task.files[name] = ""
        elif line == "---" and name and not task.files[name].startswith("apiVersion"):
            name = ""
        elif line.startswith("$ "):
            name = ""
            task.lines.append(Line(line[2:]))
        elif name:
            task.files[name] += f"{line}\n"
        elif line in ("until", "fails", "any"):
            task.lines[-1].until |= line == "until"
            task.lines[-1].code = line if line != "until" else task.lines[-1].code
        elif line:
            task.lines[-1].wanted.append(line)
    yield task


class Reader:
    """Somebody who does what a page says, in a folder and a namespace of its own."""

    def __init__(self, task: Task, up: Up, program: str, home: Path) -> None:
        self.task = task
        self.folder = home / task.name
        self.folder.mkdir()
        for name, text in task.files.items():
            place = self.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            # The last separator of a file is that of the next one.
            place.write_text(text.removesuffix("---\n"))
        (self.folder / ".bin").mkdir()
        (self.folder / ".bin" / "kubectl").symlink_to(program)
        known = yaml.safe_load(up.kubeconfig.read_text())
        known["contexts"][0]["context"]["namespace"] = task.name
        (self.folder / ".kubeconfig").write_text(yaml.safe_dump(known))
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "HOME": str(home),
            "KUBECONFIG": str(self.folder / ".kubeconfig"),
            "NAME": task.name,
        }
        self.environment["PATH"] = f"{self.folder}/.bin:{sys.prefix}/bin:{os.environ['PATH']}"

    def __call__(self, command: str) -> tuple[int, str]:
        run = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 2,
            stdin=subprocess.DEVNULL,
        )
        return run.returncode, run.stdout + run.stderr

    def complaint(self) -> str:
        """What the page's commands do otherwise than they should; empty where all is well."""
        for line in self.task.lines:
            deadline = time.monotonic() + PATIENCE_S
            code, said = self(line.command)
            while line.until and not line.is_right(code, said) and time.monotonic() < deadline:
                time.sleep(0.1)
                code, said = self(line.command)
            if not line.is_right(code, said):
                _, pods = self("kubectl get pods; kubectl get events")
                return f"{self.task.title}\n$ {line.command}\n[{code}] {said}\nwanted: {line.wanted}\n{pods}"
        return ""


@pytest.mark.parametrize(
    ("version", "themes"),
    [
        # What an old client does by itself: streams, patches, differences. All would take half a minute more.
        pytest.param(
            OLD, ("access", "debugging", "objects"), marks=pytest.mark.xdist_group("tasks by an old")
        ),
        pytest.param("newest", (), marks=pytest.mark.xdist_group("tasks by the newest")),
    ],
)
def test_the_tasks_of_the_documentation_work_as_written(
    tmp_path: Path, version: str, themes: tuple[str, ...]
) -> None:
    needs_kubectl()
    needs_redis()
    program = kubectl() if version != OLD else str(ROOT / ".tools" / f"kubectl-{OLD}")
    if not Path(program).exists():
        missing(f"kubectl {version} is missing; `make tools` fetches it")
    up = Up(tmp_path / "state")
    up.start()
    try:
        readers = [Reader(task, up, str(Path(program).resolve()), tmp_path) for task in tasks(*themes)]
        spaces = [{**NAMESPACE, "metadata": {"name": reader.task.name}} for reader in readers]
        up.kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(spaces))
        with ThreadPoolExecutor(WIDTH) as pool:
            complaints = [one for one in pool.map(Reader.complaint, readers) if one]
        assert not complaints, "\n\n".join(complaints)
    finally:
        up.end()


def test_the_page_lists_the_tasks_that_are_tried() -> None:
    page = (ROOT / "docs" / "local-mode.md").read_text()
    section = page.partition("## Tasks of Kubernetes' documentation\n")[2].partition("\n## ")[0]
    words = " ".join(section.split())
    assert tasks() != []
    assert [task.title for task in tasks() if f"*{task.title}*" not in words] == []
    assert len(re.findall(r"(?<!\*)\*[A-Z][^*]+\*(?!\*)", section)) == len(tasks()), (
        "a task that is not tried"
    )
