"""A FerretDB on loopback: it speaks MongoDB's protocol, and keeps its documents in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from parts.server_process import ServerProcess
from parts.servers import installed


class FerretdbServer(ServerProcess):
    server = "ferretdb"
    login = "tidegate"
    password = "hunter2-hunter2"

    def command(self) -> list[str]:
        program = str(installed("ferretdb") / "bin" / "ferretdb")
        kept = ["--handler=sqlite", f"--sqlite-url=file:{self.folder}/", f"--state-dir={self.folder}"]
        quiet = ["--telemetry=disable", "--debug-addr=-", "--log-level=error"]
        login = ["--test-enable-new-auth", f"--setup-username={self.login}"]
        login += [f"--setup-password={self.password}", f"--setup-database={self.token}"]
        return [program, f"--listen-addr={self.address}", *kept, *quiet, *login]

    def is_ready(self) -> bool:
        # The user is known to a database whose name is this server's alone.
        try:
            with self.client() as client:
                return bool(client.admin.command("ping")["ok"])
        except PyMongoError:
            return False

    def uri(self, address: str = "", options: str = "") -> str:
        login = f"{self.login}:{self.password}"
        return f"mongodb://{login}@{address or self.address}/?authSource={self.token}{options}"

    @contextmanager
    def client(self) -> Iterator[MongoClient[dict[str, Any]]]:
        client: MongoClient[dict[str, Any]] = MongoClient(self.uri(), serverSelectionTimeoutMS=2000)
        try:
            yield client
        finally:
            client.close()
