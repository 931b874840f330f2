"""A MariaDB on loopback, with an administrator who logs in with a password."""

from __future__ import annotations

from typing import Any

import pymysql

from parts.server_process import ServerProcess
from parts.servers import program


class MariadbServer(ServerProcess):
    server = "mariadb"
    login = "tidegate"
    password = "hunter2-hunter2"

    def prepare(self) -> None:
        install = program("mariadb", "mariadb-install-db")
        form = ["--auth-root-authentication-method=normal", "--skip-test-db", *self._user_option]
        self.run([install, "--no-defaults", f"--datadir={self.folder / 'data'}", *form])
        self.write(
            "init.sql",
            f"CREATE USER IF NOT EXISTS '{self.login}'@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO '{self.login}'@'127.0.0.1' WITH GRANT OPTION;\n"
            "CREATE DATABASE IF NOT EXISTS shop;\n",
        )

    def command(self) -> list[str]:
        where = [f"--datadir={self.folder / 'data'}", f"--socket={self.folder / 's'}"]
        where += [f"--pid-file={self.folder / 'pid'}", f"--init-file={self.folder / 'init.sql'}"]
        size = ["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--performance-schema=OFF"]
        # The report host is what only this server can repeat.
        who = [f"--report-host={self.token}", "--skip-name-resolve", *self.options()]
        listens = ["--bind-address=127.0.0.1", f"--port={self.port}"]
        return [
            str(program("mariadb", "mariadbd")), "--no-defaults", *self._user_option, *where, *size, *who,
            *listens,
        ]  # fmt: skip

    def options(self) -> list[str]:
        """Further options of the server."""
        return []

    def is_ready(self) -> bool:
        try:
            return bool(self.query("SELECT @@report_host") == [(self.token,)])
        except pymysql.err.OperationalError:
            return False

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Runs a statement as the administrator; the rows, if it has any."""
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user=self.login, password=self.password, database="shop",
            autocommit=True, connect_timeout=3, read_timeout=30,
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())

    @property
    def _user_option(self) -> list[str]:
        import os

        return ["--user=root"] if os.geteuid() == 0 else []
