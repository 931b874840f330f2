"""ClickHouse on loopback: native and HTTP, a user with a password, one who may only read, TLS."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from parts import faults
from parts.server_process import ServerProcess
from parts.servers import program

CONFIG = """<yandex>
<logger><level>error</level><console>1</console></logger>
<listen_host>127.0.0.1</listen_host>
<tcp_port>{ports[0]}</tcp_port><http_port>{ports[1]}</http_port><tcp_port_secure>{ports[2]}</tcp_port_secure>
<interserver_http_port>{ports[3]}</interserver_http_port>
<path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
<users_config>{folder}/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>5368709120</mark_cache_size>
<openSSL><server>
<certificateFile>{folder}/cert.pem</certificateFile><privateKeyFile>{folder}/key.pem</privateKeyFile>
<verificationMode>none</verificationMode>
</server></openSSL>
</yandex>
"""

USERS = """<yandex>
<profiles><default/><reading><readonly>1</readonly></reading></profiles>
<users>
<shop><password_sha256_hex>{digest}</password_sha256_hex><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></shop>
<reader><password_sha256_hex>{digest}</password_sha256_hex><networks><ip>127.0.0.1</ip></networks>
<profile>reading</profile><quota>default</quota></reader>
</users>
<quotas><default/></quotas>
</yandex>
"""

PASSWORD = "hunter2-hunter2"


class ClickhouseProcess(ServerProcess):
    """`port` speaks the native protocol, `ports[1]` HTTP, `ports[2]` the native one in TLS."""

    server = "clickhouse"
    port_count = 4
    start_s = 30.0

    def prepare(self) -> None:
        pair = faults.authority().issue_cert("127.0.0.1", "localhost")
        self.write("cert.pem", "".join(one.bytes().decode() for one in pair.cert_chain_pems))
        self.write("key.pem", pair.private_key_pem.bytes().decode())
        self.write("config.xml", CONFIG.format(ports=self.ports, folder=self.folder))
        self.write("users.xml", USERS.format(digest=hashlib.sha256(PASSWORD.encode()).hexdigest()))

    def command(self) -> Sequence[str]:
        return [str(program("clickhouse", "clickhouse-server")), f"--config-file={self.folder}/config.xml"]

    def is_ready(self) -> bool:
        return self.query(f"SELECT '{self.token}'") == self.token

    def query(self, statement: str) -> str:
        """What it answers over HTTP, as text."""
        login = f"shop:{PASSWORD}"
        said = self.call("POST", "/", port=self.ports[1], body=statement.encode(), login=login)
        return said.decode().strip()
