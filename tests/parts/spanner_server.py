"""Google's Spanner for tests, in memory, on loopback; behind REST by a few lines of ours (its main.go)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from parts.server_process import ServerProcess
from parts.servers import program
from parts.waiting import wait_until


class SpannerServer(ServerProcess):
    """One database for all names. What one test makes, the next one sees."""

    server = "spannertest"

    def command(self) -> Sequence[str]:
        return [str(program("spannertest", "bin/spannertest")), "-listen", self.address]

    def is_ready(self) -> bool:
        return self.token in self.post(f"{self.database}/sessions")["name"]

    @property
    def origin(self) -> str:
        return f"http://{self.address}"

    @property
    def database(self) -> str:
        return f"projects/p/instances/i/databases/{self.token}"

    def post(self, path: str, **body: Any) -> Any:
        return json.loads(self.call("POST", f"/v1/{path}", body=body))

    def make(self, table: str, columns: str) -> None:
        """An empty table; `columns` in DDL, the first of them its key."""
        key = columns.split()[0]
        ddl = f"CREATE TABLE {table} ({columns}) PRIMARY KEY ({key})"
        self.call("PATCH", f"/v1/{self.database}/ddl", body={"statements": [ddl]})
        wait_until(lambda: self.query(f"SELECT COUNT(*) FROM {table}"), f"table {table} is made", 5.0)

    def query(self, sql: str) -> Any:
        session = self.post(f"{self.database}/sessions")["name"]
        try:
            return self.post(f"{session}:executeSql", sql=sql)
        except OSError:
            return None

    def insert(self, table: str, columns: list[str], *rows: list[Any]) -> None:
        session = self.post(f"{self.database}/sessions")["name"]
        begun = self.post(f"{session}:beginTransaction", options={"readWrite": {}})["id"]
        insert = {"table": table, "columns": columns, "values": rows}
        self.post(f"{session}:commit", transactionId=begun, mutations=[{"insert": insert}])
