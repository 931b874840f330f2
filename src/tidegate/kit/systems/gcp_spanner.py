"""Cloud Spanner: what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.kit.systems.gcp import GcpServer


@dataclass(frozen=True, slots=True)
class SpannerQuery:
    """The first column of the first row of a query, read strongly: an int, None where there is no row.

    `database` is its whole name: `projects/…/instances/…/databases/…`.
    """

    server: GcpServer
    database: str
    sql: str
