"""InfluxDB 1.13 on loopback, with logins: it answers Flux by the API of version 2, with its own engine.

A token is `user:password`, a bucket is `database/retention policy`, and any organisation will do.
"""

from __future__ import annotations

import ssl
import urllib.request
from urllib.parse import quote

from parts import faults
from parts.server_process import ServerProcess
from parts.servers import program

TOKEN = "admin:hunter2-hunter2"


class InfluxServer(ServerProcess):
    server = "influxdb"
    port_count = 2
    start_s = 40.0

    def prepare(self) -> None:
        self.write("influxdb.conf", self._settings("auth-enabled = true"))

    def _settings(self, access: str) -> str:
        return f"""
            reporting-disabled = true
            bind-address = "127.0.0.1:{self.ports[1]}"
            [meta]
            dir = "{self.folder}/meta"
            [data]
            dir = "{self.folder}/{self.token}"
            wal-dir = "{self.folder}/wal"
            [http]
            bind-address = "{self.address}"
            flux-enabled = true
            {access}
            """

    def command(self) -> list[str]:
        return [str(program("influxdb", "bin/influxd")), "-config", str(self.folder / "influxdb.conf")]

    def is_ready(self) -> bool:
        # Whoever logs in as this user may do all; a second time it is there already.
        self.influxql("CREATE USER admin WITH PASSWORD 'hunter2-hunter2' WITH ALL PRIVILEGES")
        self.influxql("CREATE DATABASE queues")
        return self.token in self.influxql("SHOW DIAGNOSTICS")

    def influxql(self, statement: str) -> str:
        return self.call("POST", f"/query?q={quote(statement)}", body=b"", login=TOKEN).decode()

    def put(self, lines: str) -> None:
        """Points in line protocol, in the bucket `queues/autogen`; visible when this returns."""
        path = "/api/v2/write?bucket=queues/autogen&org=shop"
        self.call("POST", path, body=lines.encode(), authorization=f"Token {TOKEN}")


class EncryptedInflux(InfluxServer):
    """It speaks TLS alone, with a certificate of `faults.authority()`, and lets everybody in."""

    def prepare(self) -> None:
        issued = faults.authority().issue_cert("127.0.0.1")
        path = self.write("influxdb.pem", issued.private_key_and_cert_chain_pem.bytes().decode())
        settings = f"""
            auth-enabled = false
            https-enabled = true
            https-certificate = "{path}"
            https-private-key = "{path}"
            """
        self.write("influxdb.conf", self._settings(settings))

    def is_ready(self) -> bool:
        trusting = ssl.create_default_context(cadata=faults.authority().cert_pem.bytes().decode())
        url = f"https://{self.address}/ping"
        with urllib.request.urlopen(url, timeout=self.probe_s, context=trusting) as answer:
            return bool(answer.status == 204)
