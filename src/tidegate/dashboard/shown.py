"""What the page shows, as whoever knows it tells it: plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Entry = dict[str, Any]
PAGE = 50
MOST_ON_A_PAGE = 200
STATES = ("wrong", "failing", "paused", "active", "idle", "new")


class View(Protocol):
    """Objects are told as of the last look; `object`, `pods` and `log` may ask the API server. ApiError or
    one of the five errors where they cannot be had."""

    def moment(self) -> str: ...

    def lacks(self) -> list[str]: ...

    def entries(self) -> list[Entry]: ...

    def spark(self, entry: Entry) -> list[list[float | None]]: ...

    async def object(self, plural: str, namespace: str, name: str) -> Entry: ...

    async def pods(self, plural: str, namespace: str, name: str) -> Entry: ...

    async def log(self, namespace: str, pod: str, container: str, *, is_previous: bool) -> str: ...


def overview(view: View, query: Mapping[str, str]) -> Entry:
    """A page of the objects whose place holds the text `q` and whose state is `state`; how many there are.

    Counts by state are those of what `q` leaves, so that they say what a click would show.
    """
    text, state = query.get("q", "").strip().lower(), query.get("state", "")
    matching = [one for one in view.entries() if text in _place(one)]
    counts = {word: sum(one["state"] == word for one in matching) for word in STATES}
    chosen = [one for one in matching if one["state"] == state] if state in STATES else matching
    size = _whole(query.get("size", ""), PAGE, MOST_ON_A_PAGE)
    pages = max(1, -(-len(chosen) // size))
    page = _whole(query.get("page", ""), 1, pages)
    shown = chosen[(page - 1) * size : page * size]
    return {
        "at": view.moment(),
        "lacks": view.lacks(),
        "total": len(view.entries()),
        "matching": len(chosen),
        "counts": {"all": len(matching), **counts},
        "page": page,
        "pages": pages,
        "objects": [{**one, "spark": view.spark(one)} for one in shown],
    }


def has_container(pods: Entry, pod: str, container: str) -> bool:
    """Whether the pod is among an object's, and has that container."""
    shown: Sequence[Entry] = pods["pods"]
    return any(
        one["name"] == pod and any(each["name"] == container for each in one["containers"]) for one in shown
    )


def _place(entry: Entry) -> str:
    return f"{entry['plural'].removesuffix('s')}/{entry['namespace']}/{entry['name']}".lower()


def _whole(text: str, default: int, most: int) -> int:
    """A number from 1 to `most`; what is none is the default."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
    return min(max(1, number), most)
