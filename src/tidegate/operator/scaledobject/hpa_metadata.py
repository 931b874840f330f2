"""Which labels and annotations of an HPA came from its object, so that they leave with it.

An annotation of the HPA lists their keys. It is written in one PUT with them: whoever is killed in
between leaves both or neither. What others wrote on the HPA is not in the list, and stays.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tidegate.core.control_annotations import HPA_EXCLUDED_LABELS
from tidegate.review.hpa import NAME_LABEL, STANDARD_LABELS

Object = dict[str, Any]

COPIED = "tidegate.dev/copied"
PARTS = ("labels", "annotations")
_ALWAYS = frozenset({*STANDARD_LABELS, NAME_LABEL})
_KEDA = re.compile(r"([^/]+\.)?keda\.sh/.*")


def marked(wanted: Object) -> Object:
    """`wanted` with the list of what it has from its object, where there is something to list."""
    metadata = wanted["metadata"]
    listed = {part: sorted((metadata.get(part) or {}).keys() - _ALWAYS - {COPIED}) for part in PARTS}
    listed = {part: keys for part, keys in listed.items() if keys}
    annotations = {key: text for key, text in (metadata.get("annotations") or {}).items() if key != COPIED}
    if listed:
        annotations[COPIED] = json.dumps(listed, separators=(",", ":"))
    others = {key: one for key, one in metadata.items() if key != "annotations"}
    return {**wanted, "metadata": {**others, **({"annotations": annotations} if annotations else {})}}


def gone(found: Object, wanted: Object, part: str) -> frozenset[str]:
    """Keys on the `found` HPA that its object took away: labels or annotations, as `part` says."""
    present = found["metadata"].get(part) or {}
    keep = wanted["metadata"].get(part) or {}
    return frozenset(key for key in _ours(found, wanted, part) if key in present and key not in keep)


def _ours(found: Object, wanted: Object, part: str) -> set[str]:
    """The keys that the list names. Without one (KEDA made the HPA, or an earlier version of us) those that
    nobody else can mean: KEDA's own annotations, and the labels that the object wants to be left out."""
    text = (found["metadata"].get("annotations") or {}).get(COPIED)
    always = {COPIED} if part == "annotations" else set()
    try:
        return always | set(json.loads(text)[part] if text is not None else _guessed(found, wanted, part))
    except (ValueError, TypeError, LookupError):
        return always


def _guessed(found: Object, wanted: Object, part: str) -> set[str]:
    if part == "annotations":
        return {key for key in found["metadata"].get(part) or {} if _KEDA.fullmatch(key)}
    excluded = (wanted["metadata"].get("annotations") or {}).get(HPA_EXCLUDED_LABELS, "")
    return {label.strip() for label in excluded.split(",")}
