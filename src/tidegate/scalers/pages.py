"""The reference pages of all trigger types, as files to be."""

from __future__ import annotations

from tidegate import scalers
from tidegate.kit import pages

FOLDER = "docs/reference/triggers"


def render() -> dict[str, str]:
    """Every page by its path in the repository, the index included."""
    files: dict[str, str] = {}
    summaries: list[pages.Summary] = []
    for trigger_type in scalers.types():
        kind = scalers.find(trigger_type)
        assert kind is not None
        prose = scalers.prose_of(kind)
        files[f"{FOLDER}/{trigger_type}.md"] = pages.page(trigger_type, kind, prose)
        summaries.append(pages.summary(trigger_type, kind, prose))
    files[f"{FOLDER}/index.md"] = pages.index(summaries)
    return files
