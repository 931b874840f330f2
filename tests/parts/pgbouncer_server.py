"""A PgBouncer on loopback before a PostgreSQL, in transaction mode: each transaction on another session."""

from __future__ import annotations

import psycopg

from parts.postgresql_server import PostgresqlServer
from parts.server_process import ServerProcess
from parts.servers import program


class PgbouncerServer(ServerProcess):
    server = "pgbouncer"
    # It refuses root, as PostgreSQL does, whose package makes this user.
    user = "postgres"

    def __init__(self, behind: PostgresqlServer) -> None:
        super().__init__()
        self._behind = behind

    def prepare(self) -> None:
        who = self._behind
        self.write("users", f'"{who.login}" "{who.password}"\n')
        # The alias is a name of its own, so that only this one answers to it.
        where = f"host=127.0.0.1 port={who.port} dbname=postgres"
        self.write(
            "pgbouncer.ini",
            f"[databases]\n{self.token} = {where}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nauth_type = scram-sha-256\nauth_file = {self.folder}/users\n"
            "pool_mode = transaction\ndefault_pool_size = 2\nunix_socket_dir =\n",
        )

    def command(self) -> list[str]:
        return [str(program("pgbouncer", "pgbouncer")), str(self.folder / "pgbouncer.ini")]

    def is_ready(self) -> bool:
        who = f"user={self._behind.login} password={self._behind.password}"
        try:
            where = f"host=127.0.0.1 port={self.port} dbname={self.token} {who} connect_timeout=3"
            with psycopg.connect(where, autocommit=True, prepare_threshold=None) as connection:
                return bool(connection.execute("SELECT 1").fetchall())
        except psycopg.OperationalError:
            return False
