"""Solr on loopback: one node with one collection in memory, behind a login."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from parts.server_process import ServerProcess
from parts.servers import installed

LOGIN = "solr"
PASSWORD = "hunter2-hunter2"

CONFIG = """<config>
<luceneMatchVersion>9.10</luceneMatchVersion>
<directoryFactory name="DirectoryFactory" class="solr.ByteBuffersDirectoryFactory"/>
<indexConfig><lockType>single</lockType></indexConfig>
<schemaFactory class="ClassicIndexSchemaFactory"/>
<requestHandler name="/select" class="solr.SearchHandler"/>
</config>
"""
SCHEMA = """<schema name="test" version="1.6">
<fieldType name="string" class="solr.StrField"/>
<field name="id" type="string" indexed="true" stored="true" required="true"/>
<field name="state" type="string" indexed="true" stored="true"/>
<uniqueKey>id</uniqueKey>
</schema>
"""


class SolrProcess(ServerProcess):
    server = "solr"
    start_s = 90.0

    def prepare(self) -> None:
        salt = b"salt of the tests of ours, 32 by"
        digest = hashlib.sha256(hashlib.sha256(salt + PASSWORD.encode()).digest()).digest()
        credential = f"{base64.b64encode(digest).decode()} {base64.b64encode(salt).decode()}"
        security = {
            "authentication": {
                "class": "solr.BasicAuthPlugin",
                "blockUnknown": True,
                "credentials": {LOGIN: credential},
            }
        }
        self.write("home/solr.xml", "<solr/>")
        self.write("home/security.json", json.dumps(security))
        self.write("home/orders/core.properties", "name=orders\n")
        self.write("home/orders/conf/solrconfig.xml", CONFIG)
        self.write("home/orders/conf/schema.xml", SCHEMA)

    def command(self) -> Sequence[str]:
        folder = installed(self.server)
        flags = [
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dsolr.install.dir={self.folder}",
        ]
        place = f"{folder / 'classes'}:{folder / 'lib' / '*'}"
        return ["java", *flags, "-cp", place, "TestSolr", str(self.folder / "home"), str(self.port)]

    def is_ready(self) -> bool:
        self.fill({"id": self.token, "state": self.token})
        return self.found(f"state:{self.token}") == 1

    def fill(self, *documents: Any) -> None:
        """Documents that are found when this returns."""
        self.call(
            "POST", "/solr/orders/update?commit=true", body=list(documents), login=f"{LOGIN}:{PASSWORD}"
        )

    def found(self, query: str) -> int:
        answer = self.get(f"/solr/orders/select?q={query}&wt=json", login=f"{LOGIN}:{PASSWORD}")
        return int(answer["response"]["numFound"])
