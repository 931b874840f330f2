"""The end of a run: its table, its files under `bench/results/`, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench import machine
from bench.figures import Figure, table

RESULTS = Path(__file__).parent / "results"


def ended(about: dict[str, Any], figures: Sequence[Figure], *, is_dry: bool, kind: str = "") -> int:
    """Prints all and, unless it is dry, writes it; `kind` is the end of the files' name.

    The exit code: 1 when a count that must hold does not.
    """
    about["load after"] = machine.load()
    text = _page(about, figures)
    print(text)
    if not is_dry:
        _write(about, figures, text, kind)
    broken = [figure for figure in figures if figure.is_broken]
    for figure in broken:
        print(f"BROKEN: {figure.part}: {figure.name} is {figure.value:g}", file=sys.stderr)
    return 1 if broken else 0


def _page(about: dict[str, Any], figures: Sequence[Figure]) -> str:
    lines = ["# Benchmark", "", *(f"- {key}: {value}" for key, value in about.items()), ""]
    return "\n".join(lines) + "\n" + table(figures)


def _write(about: dict[str, Any], figures: Sequence[Figure], text: str, kind: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{about['date'][:10]}-{machine.slug()}{kind}"
    path.with_name(path.name + ".md").write_text(text)
    body = msgspec.json.encode({"machine": about, "figures": [figure.as_json() for figure in figures]})
    path.with_name(path.name + ".json").write_bytes(msgspec.json.format(body, indent=1) + b"\n")
    print(f"written: {path}.md and .json", file=sys.stderr)
