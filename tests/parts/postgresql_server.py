"""A PostgreSQL on loopback, with a superuser who logs in with a password."""

from __future__ import annotations

import signal
from typing import Any

import psycopg

from parts.server_process import ServerProcess
from parts.servers import program

SETTINGS = {
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "30",
}


class PostgresqlServer(ServerProcess):
    server = "postgresql"
    # SIGINT ends its sessions; SIGTERM would wait for their clients.
    stop_signal = signal.SIGINT
    # It refuses root. Debian's package makes this user.
    user = "postgres"
    login = "postgres"
    password = "hunter2-hunter2"

    def prepare(self) -> None:
        password = self.write("password", self.password)
        initdb = program("postgresql", "initdb")
        form = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self.run([initdb, "-D", self.folder / "data", "-U", self.login, f"--pwfile={password}", *form])
        password.unlink()

    def command(self) -> list[str]:
        settings = SETTINGS | {"cluster_name": self.token, "unix_socket_directories": str(self.folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        where = ["-D", str(self.folder / "data"), "-h", "127.0.0.1", "-p", str(self.port)]
        return [str(program("postgresql", "postgres")), *where, *options]

    def is_ready(self) -> bool:
        try:
            return bool(self.query("SHOW cluster_name") == [(self.token,)])
        except psycopg.OperationalError:
            return False

    def query(self, text: str, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Runs a statement as the superuser; the rows, if it has any."""
        with psycopg.connect(self.address_of(database), autocommit=True) as connection:
            cursor = connection.execute(text.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def address_of(self, database: str) -> str:
        who = f"user={self.login} password={self.password}"
        return f"host=127.0.0.1 port={self.port} dbname={database} {who} connect_timeout=3"
