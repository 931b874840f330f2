"""Cloud Storage: what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.kit.systems.gcp import GcpServer


@dataclass(frozen=True, slots=True)
class ObjectCount:
    """How many objects of a bucket are not empty, counted up to `limit`: an int.

    Names begin with `prefix`; with a `delimiter` none holds it after that.
    """

    server: GcpServer
    bucket: str
    limit: int
    prefix: str = ""
    delimiter: str = ""
