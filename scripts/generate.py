"""Write again every file that is generated; with --check, only say which are out of step (exit 1)."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tidegate.api import crds
from tidegate.scalers import pages

ROOT = Path(__file__).parent.parent
PROGRAMS = ROOT / "examples" / "programs"

EXAMPLE_PROGRAMS = {
    "csv-pipeline/03-programs.yaml": ("csv-programs", ("redis_lite.py", "generate.py", "process.py")),
    "queue-worker/00-programs.yaml": ("queue-programs", ("redis_lite.py", "send.py", "work.py")),
}


class Block(str):
    """Text that YAML shows as a literal block."""


yaml.SafeDumper.add_representer(
    Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def program_map(name: str, files: tuple[str, ...]) -> str:
    """A ConfigMap manifest with these files of examples/programs."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {file: Block((PROGRAMS / file).read_text()) for file in files},
    }
    text = yaml.safe_dump(body, sort_keys=False, width=200, allow_unicode=True)
    return f"# Generated from examples/programs; edit there and run `make generate`.\n{text}"


def wanted() -> dict[Path, str]:
    """Every generated file with the text it must have."""
    files = {ROOT / "deploy" / "crds" / name: text for name, text in crds.render().items()}
    files |= {ROOT / path: text for path, text in pages.render().items()}
    files |= {
        ROOT / "examples" / path: program_map(name, parts) for path, (name, parts) in EXAMPLE_PROGRAMS.items()
    }
    return files


def main() -> int:
    is_check = "--check" in sys.argv[1:]
    stale = []
    for path, text in wanted().items():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not is_check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name in stale:
        print(f"{'out of step, run `make generate`' if is_check else 'written'}: {name}")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
