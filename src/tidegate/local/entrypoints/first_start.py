"""What images of databases run once, when their data folder is new: /docker-entrypoint-initdb.d."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tidegate.local.entrypoints.box import Box

FOLDER = Path("/docker-entrypoint-initdb.d")
STATEMENTS = (".sql", ".sql.gz", ".sql.xz")


def scripts(folder: Path = FOLDER) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def run(box: Box, found: Sequence[Path], execute: Callable[[str], None]) -> None:
    """Runs them in the order of their names: shell scripts as they are, statements by `execute`."""
    for script in found:
        is_shell = script.suffix == ".sh"
        if not is_shell and not script.name.endswith(STATEMENTS):
            print(f"ignoring {script}", flush=True)
            continue
        print(f"running {script}", flush=True)
        if is_shell:
            box.run([str(script)] if os.access(script, os.X_OK) else ["/bin/bash", str(script)])
        else:
            execute(_text(script))


def _text(script: Path) -> str:
    readers = {".gz": gzip.decompress, ".xz": lzma.decompress}
    content = script.read_bytes()
    return readers.get(script.suffix, bytes)(content).decode("utf-8")
