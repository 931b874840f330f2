"""A control plane that writes as fast as it can and says what was acknowledged, until it is killed.

    python crash_writer.py <directory> <seed>

Each line: `create <name> <version> <uid>`, `update <name> <version> <value>` or `delete <name> <version>`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from tidegate.kube.resource import CONFIG_MAPS
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.runtime.clock import SystemClock


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def main(directory: Path, seed: int) -> None:
    plane = await open_plane(directory, SystemClock())
    objects = plane.objects
    say("open", plane.reads.version)

    async def write(task: int) -> None:
        chance = random.Random(seed * 1000 + task)
        for step in range(1_000_000):
            name = f"c{seed}-{task}-{step}"
            meta = {"name": name, "namespace": "default", "annotations": {"tidegate.dev/step": str(step)}}
            made = (await objects.create(CONFIG_MAPS, {"metadata": meta, "data": {"v": "0"}}))["metadata"]
            say("create", name, made["resourceVersion"], made["uid"])
            if chance.random() < 0.5:
                value = str(chance.random())
                changed = await objects.patch(CONFIG_MAPS, "default", name, {"data": {"v": value}})
                say("update", name, changed["metadata"]["resourceVersion"], value)
            if chance.random() < 0.3:
                await objects.delete(CONFIG_MAPS, "default", name)
                say("delete", name, plane.reads.version)

    await asyncio.gather(*(write(task) for task in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
