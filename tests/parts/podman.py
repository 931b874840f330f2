"""podman with a store of its own, and an image without a registry: busybox and nothing else.

Where the machine's own configuration does not start a container, others are tried: runc, and limits that this
process may set. What the last one said is the reason of the skip.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from parts.loopback import missing

IMAGE = "localhost/tidegate-box:1"
# As a build writes it: `USER 1000`, and an entrypoint that arguments are given to.
USER_IMAGE = "localhost/tidegate-user:1"
_LIMITS, _RUNC = '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1000:1000"]\n', 'runtime="runc"\n'
_CONFIGURATIONS = (("", ""), ("", _RUNC), (_LIMITS, ""), (_LIMITS, _RUNC))
_CALL_S = 60.0


class Podman:
    """`environment` is what its command needs to find the store in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: Mapping[str, str] = {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def start(self) -> None:
        """Skips where podman is missing or starts no container here; a failure in CI."""
        programs = {name: shutil.which(name) for name in ("podman", "busybox")}
        for name, path in programs.items():
            if path is None:
                missing(f"{name} is missing: apt-get install podman runc busybox-static")
        if "dynamic" in _told(["ldd", str(programs["busybox"])]):
            missing("busybox needs libraries: apt-get install busybox-static")
        self.folder.mkdir(parents=True, exist_ok=True)
        store = f'driver="{_driver()}"\ngraphroot="{self.folder}/store"\nrunroot="{self.folder}/run"\n'
        (self.folder / "storage.conf").write_text(f"[storage]\n{store}")
        why = self._import(str(programs["busybox"]))
        for limits, runtime in _CONFIGURATIONS if not why else ():
            self._configure(limits, runtime)
            why = self._try("run", "--rm", "--network=host", IMAGE, "true")
            if not why:
                return
        missing(f"podman starts no container here: {why}")

    def _configure(self, limits: str = "", runtime: str = "") -> None:
        engine = f'[engine]\nlock_type="file"\ntmp_dir="{self.folder}/tmp"\nevents_logger="file"\n{runtime}'
        (self.folder / "containers.conf").write_text(limits + engine)

    def _import(self, busybox: str) -> str:
        self._configure()
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            tar.add(busybox, "bin/busybox")
            for name in _told([busybox, "--list"]).split():
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                if name != "busybox":
                    tar.addfile(link)
        changes = ["--change", "USER 1000", "--change", 'ENTRYPOINT ["/bin/echo","from the image"]']
        return self._try("import", "-", IMAGE, stdin=content.getvalue()) or self._try(
            "import", *changes, "--change", "STOPSIGNAL SIGUSR1", "-", USER_IMAGE, stdin=content.getvalue()
        )

    def __call__(self, *words: str) -> str:
        """What podman prints."""
        run = self._run(words)
        assert run.returncode == 0, f"podman {' '.join(words)}: {run.stderr.decode()}"
        return run.stdout.decode()

    def _try(self, *words: str, stdin: bytes = b"") -> str:
        run = self._run(words, stdin)
        return "" if run.returncode == 0 else run.stderr.decode().strip() or f"exit code {run.returncode}"

    def _run(self, words: tuple[str, ...], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, **self.environment}
        return subprocess.run(
            ["podman", *words], input=stdin, capture_output=True, timeout=_CALL_S, env=env, check=False
        )

    def containers(self) -> list[str]:
        return self("ps", "--all", "--format", "{{.Names}}").split()

    def end(self) -> None:
        """Leaves nothing behind, neither mounts nor files."""
        if (self.folder / "store").exists():
            self._try("rm", "--all", "--force", "--time=0")
            self._try("rmi", "--all", "--force")
        for line in Path("/proc/mounts").read_text().splitlines():
            place = line.split()[1]
            if place.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _driver() -> str:
    return "overlay" if os.geteuid() == 0 else "vfs"


def _told(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


@contextmanager
def own_podman() -> Iterator[Podman]:
    """Its folder has a short name: with one of about 50 characters podman 4.3 learns of each container's end
    20 s late.
    """
    one = Podman(Path(tempfile.mkdtemp(prefix="tg-")))
    try:
        one.start()
        yield one
    finally:
        one.end()
