"""The files of the page, read once; each with its type."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class File:
    body: bytes
    media_type: str


def files() -> dict[str, File]:
    """By name."""
    return {
        one.name: File(one.read_bytes(), TYPES[one.suffix])
        for one in sorted(FOLDER.iterdir())
        if one.suffix in TYPES
    }
