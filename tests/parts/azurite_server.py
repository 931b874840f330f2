"""Azurite: Microsoft's emulator of Azure Storage on loopback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parts.example_programs import example_program
from parts.server_process import ServerProcess
from parts.servers import installed
from tidegate.kit.systems.azure_storage import Service, StorageServer, read_storage

ACCOUNT = "devstoreaccount1"
KEY = read_storage("UseDevelopmentStorage=true", "blob").key


class Azurite(ServerProcess):
    """Tests name their queues and containers after themselves: what one makes, the next one sees."""

    server = "azurite"
    port_count = 3
    start_s = 60.0

    def command(self) -> Sequence[str]:
        command = ["node", str(installed("azurite") / "node_modules" / ".bin" / "azurite")]
        command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location", str(self.folder)]
        for service, port in zip(("blob", "queue", "table"), self.ports, strict=True):
            command += [f"--{service}Host", self.host, f"--{service}Port", str(port)]
        return command

    def is_ready(self) -> bool:
        self.client.make_queue(self.token)
        self.client.make_container(self.token)
        return True

    @property
    def client(self) -> Any:
        """The examples' own client, which fills it; its signature is not the adapter's."""
        return example_program("storage_lite").Storage(self.connection())

    def port_of(self, service: Service) -> int:
        return self.ports[("blob", "queue").index(service)]

    def connection(self, blob: str = "", queue: str = "") -> str:
        """A connection string; `blob` and `queue` are addresses instead of its own."""
        blob = blob or f"{self.host}:{self.port_of('blob')}"
        queue = queue or f"{self.host}:{self.port_of('queue')}"
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint=http://{blob}/{ACCOUNT};QueueEndpoint=http://{queue}/{ACCOUNT};"
        )

    def storage(self, service: Service, address: str = "") -> StorageServer:
        return read_storage(self.connection(address, address), service)
