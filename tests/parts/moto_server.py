"""moto: an emulator of AWS on loopback, and a client of the tests that fills it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from parts.server_process import ServerProcess
from parts.servers import installed

REGION = "eu-west-1"


class Moto(ServerProcess):
    """Any key is good. What one test makes, the next one sees, until `reset`."""

    server = "moto"
    start_s = 60.0

    def command(self) -> Sequence[str]:
        program = installed("moto") / "bin" / "moto_server"
        return [sys.executable, str(program), "-H", self.host, "-p", str(self.port)]

    def environment(self) -> Mapping[str, str]:
        # Its own log of requests is what tests count.
        return {"PYTHONPATH": str(installed("moto")), "PYTHONUNBUFFERED": "1"}

    def is_ready(self) -> bool:
        return bool(self.call("GET", "/moto-api/")) and os.path.isdir(self.folder)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def reset(self) -> None:
        self.call("POST", "/moto-api/reset")

    @contextmanager
    def enforcing(self) -> Iterator[None]:
        """Signatures and policies count while the block is."""
        self.call("POST", "/moto-api/reset-auth", body=b"0")
        try:
            yield
        finally:
            self.call("POST", "/moto-api/reset-auth", body=b"inf")

    @contextmanager
    def client(self, service: str) -> Iterator[Any]:
        """botocore's, as an administrator."""
        import botocore.session

        client = botocore.session.get_session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="admin",
            aws_secret_access_key="admin",
        )
        try:
            yield client
        finally:
            client.close()

    def make(self, service: str, operation: str, **parameters: Any) -> Any:
        """An administrator's call, by botocore."""
        with self.client(service) as client:
            return getattr(client, operation)(**parameters)
