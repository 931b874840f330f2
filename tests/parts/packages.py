"""Installed packages with entry points, as folders that a Python path names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GOOD = '''"""How many things wait.

```yaml
triggers:
- type: things
  metadata:
    place: shelf
```
"""

from dataclasses import dataclass
from typing import ClassVar

from tidegate.kit.answers import count
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import declared, setting

TIDEGATE_API = "1.0"


@dataclass(frozen=True, slots=True)
class ThingsServer:
    system: ClassVar[str] = "things"

    def label(self) -> str:
        return "things"


@dataclass(frozen=True, slots=True)
class Waiting:
    server: ThingsServer
    place: str


@declared
class Things(Polled):
    types = ("things",)
    cost = "nothing"
    tested_against = "nothing"
    place: str = setting("place", doc="Where.")

    def metric_name(self) -> str:
        return "things"

    async def measure(self, ask, now) -> float:
        question = Waiting(ThingsServer(), self.place)
        return count(await ask(question), question)
'''

CONNECTION = '''"""Answers with the length of the place's name."""


class Things:
    batch = 10
    wake_gap_s = 0.25

    async def answer(self, questions):
        return [len(one.place) for one in questions]

    async def close(self):
        pass


def connect(server, surroundings):
    return Things()
'''


class Packages:
    """A folder on the path of the commands that are run here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self,
        name: str,
        module: str = GOOD,
        *,
        trigger_type: str = "things",
        connection: str = CONNECTION,
        system: str = "things",
    ) -> None:
        """A distribution `name` with a module of that name, and `<name>_connection`."""
        (self.folder / f"{name}.py").write_text(module)
        (self.folder / f"{name}_connection.py").write_text(connection)
        about = self.folder / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(
            f"[tidegate.scalers]\n{trigger_type} = {name}\n\n"
            f"[tidegate.connections]\n{system} = {name}_connection\n"
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`tidegate` with these arguments."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), **variables}
        command = [str(Path(sys.executable).with_name("tidegate")), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=self.folder, timeout=60, check=False
        )
