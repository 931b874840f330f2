"""Keycloak on loopback: a realm whose clients get tokens by client credentials, for servers that check."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any
from urllib.parse import urlencode

from parts.server_process import ServerProcess
from parts.servers import installed

CLIENT, SECRET = "scaler", "hunter2-hunter2"
# Its tokens live for so long.
BRIEF, BRIEF_S = "brief", 4
# Whose secret has all that means something in a form, a header or a URL.
ODD, ODD_SECRET = "odd one", 'hunter2 +/%&=:ü"é%2B'
# Its tokens are for nobody.
STRANGER = "stranger"
# As whom a server asks about the tokens that it is sent.
GUARD = "guard"
SCOPES = ("queues", "rabbitmq.read:*/*", "rabbitmq.tag:monitoring")
AUDIENCES = ("rabbitmq", "kafka", GUARD)
OPENID = "/protocol/openid-connect"

OPENED = ("java.util", "java.util.concurrent", "java.security", "java.lang")
FLAGS = {
    "java.util.logging.manager": "org.jboss.logmanager.LogManager",
    "java.util.concurrent.ForkJoinPool.common.threadFactory": (
        "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory"
    ),
    "picocli.disable.closures": "true",
}


class KeycloakServer(ServerProcess):
    """The realm is called as its token; all of it is in memory, its keys too, and new after a restart.

    Each client may ask for each of `SCOPES`, and has none unless it does.
    """

    server = "keycloak"
    start_s = 240.0
    probe_s = 10.0
    stop_s = 20.0

    @property
    def issuer(self) -> str:
        return f"http://{self.address}/realms/{self.token}"

    @property
    def token_uri(self) -> str:
        return f"{self.issuer}{OPENID}/token"

    @property
    def keys_uri(self) -> str:
        return f"{self.issuer}{OPENID}/certs"

    def prepare(self) -> None:
        """It builds itself before it starts, into its own folder: the one of the cache stays as it is."""
        (release,) = installed("keycloak").glob("keycloak-*")
        built, home = shutil.ignore_patterns("quarkus"), self.folder / "home"
        shutil.copytree(release, home, copy_function=os.symlink, ignore=built)
        shutil.copytree(release / "lib" / "quarkus", home / "lib" / "quarkus")
        self.write("home/data/import/realm.json", json.dumps(self._realm()))
        self.run([*self._java(), "build", "--db=dev-mem"], timeout_s=self.start_s)

    def command(self) -> list[str]:
        return [
            *self._java(),
            *("start", "--optimized", "--import-realm", "--cache=local", "--http-enabled=true"),
            *("--http-host=127.0.0.1", f"--http-port={self.port}"),
            # The issuer stays the same behind a proxy.
            f"--hostname=http://{self.address}",
        ]

    def is_ready(self) -> bool:
        return bool(self.get(f"/realms/{self.token}")["realm"] == self.token)

    def introspect(self, token: str) -> dict[str, Any]:
        """What it says of a token to the server that was sent it."""
        form = urlencode({"token": token}).encode()
        kind = "application/x-www-form-urlencoded"
        path = f"/realms/{self.token}{OPENID}/token/introspect"
        said = self.call("POST", path, body=form, login=f"{GUARD}:{SECRET}", content_type=kind)
        return dict(json.loads(said))

    def _java(self) -> list[str]:
        home = self.folder / "home"
        flags = ["-Xmx384m", "-XX:MaxMetaspaceSize=256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        flags += [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        flags += [f"-D{name}={value}" for name, value in (*FLAGS.items(), ("kc.home.dir", str(home)))]
        jar = str(home / "lib" / "quarkus-run.jar")
        return ["java", *flags, "-cp", jar, "io.quarkus.bootstrap.runner.QuarkusEntryPoint"]

    def _realm(self) -> dict[str, Any]:
        shown = {"include.in.token.scope": "true"}
        return {
            "realm": self.token,
            "enabled": True,
            "sslRequired": "none",
            "clientScopes": [
                {"name": scope, "protocol": "openid-connect", "attributes": shown} for scope in SCOPES
            ],
            "clients": [
                _client(CLIENT),
                _client(BRIEF, life_s=BRIEF_S),
                {**_client(ODD), "secret": ODD_SECRET},
                _client(STRANGER, audiences=()),
                _client(GUARD),
            ],
        }


def _client(name: str, life_s: int = 300, audiences: tuple[str, ...] = AUDIENCES) -> dict[str, Any]:
    """A client that gets tokens for itself alone, with a subject."""
    mapper = {"protocol": "openid-connect"}
    in_token = {"access.token.claim": "true", "introspection.token.claim": "true"}
    return {
        "clientId": name,
        "secret": SECRET,
        "serviceAccountsEnabled": True,
        "standardFlowEnabled": False,
        "attributes": {"access.token.lifespan": str(life_s)},
        "defaultClientScopes": [],
        "optionalClientScopes": list(SCOPES),
        "protocolMappers": [
            {**mapper, "name": "subject", "protocolMapper": "oidc-sub-mapper", "config": in_token},
            *(
                {
                    **mapper,
                    "name": audience,
                    "protocolMapper": "oidc-audience-mapper",
                    "config": {**in_token, "included.custom.audience": audience},
                }
                for audience in audiences
            ),
        ],
    }
