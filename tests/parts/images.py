"""Builds images without a registry: buildah with a store of its own, a base made of this machine's Python.

with Builder(folder) as builder:
    base = builder.base()
    builder.build(ROOT, "deploy/Dockerfile", "tidegate", BASE=base)
    builder.run("tidegate", "version")
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from parts.servers import program

BASE = "localhost/python-of-this-machine"
NAMES = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
# What the standard library has and no image needs.
LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "test", "tests", "__pycache__", "idlelib", "config-3*", "*.a"
)
# What wheels expect of a system.
COMPANIONS = (
    "libstdc++.so.6",
    "libgcc_s.so.1",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "libutil.so.1",
)
BUILD_S, RUN_S = 600.0, 120.0


class Builder:
    """buildah without a daemon, a registry or rights over the machine; `folder` holds all it keeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        store = ("--root", str(folder / "store"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")
        self._buildah = [str(program("buildah", "buildah")), *store]

    def __enter__(self) -> Builder:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        # Files of other users lie in the store.
        if os.geteuid() != 0:
            self("unshare", "rm", "-rf", str(self.folder / "store"))
        shutil.rmtree(self.folder, ignore_errors=True)

    def __call__(self, *words: str, limit_s: float = RUN_S) -> str:
        """Runs buildah; what it prints."""
        run = subprocess.run(
            [*self._buildah, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
        assert run.returncode == 0, f"buildah {' '.join(words)}\n{run.stdout}\n{run.stderr}"
        return run.stdout

    def base(self) -> str:
        """An image with this machine's Python and what it needs, and a shell."""
        root = self.folder / "base"
        copy_python(root)
        container = self("from", "scratch").strip()
        self("copy", "-q", container, str(root), "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        self("commit", "-q", container, BASE)
        self("rm", container)
        shutil.rmtree(root)
        return BASE

    def build(self, context: Path, dockerfile: str, name: str, wheels: Path, base: str) -> None:
        """Builds with wheels of that folder in place of an index."""
        config = self.folder / "pip.conf"
        config.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        how = ("--isolation", "chroot", "--pull-never", "--volume", f"{wheels}:/wheels:ro")
        given = ("--secret", f"id=pip.conf,src={config}", "--build-arg", f"BASE={base}")
        file = ("-f", str(context / dockerfile))
        self("build", "-q", *how, *given, *file, "-t", name, str(context), limit_s=BUILD_S)

    def run(self, name: str, *words: str) -> str:
        """What the image's entrypoint prints, as the image's user."""
        config = json.loads(self("inspect", "--type", "image", name))["OCIv1"]["config"]
        container = self("from", "--pull-never", name).strip()
        try:
            return self("run", "--isolation", "chroot", container, "--", *config["Entrypoint"], *words)
        finally:
            self("rm", container)

    def config(self, name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self("inspect", "--type", "image", name))["OCIv1"]["config"]
        return found

    def layer_sizes(self, name: str) -> list[int]:
        """The compressed bytes of each layer, the base's first."""
        target = self.folder / "oci"
        self("push", "-q", "--compression-format", "gzip", name, f"oci:{target}:tag", limit_s=BUILD_S)
        index = json.loads((target / "index.json").read_text())
        digest = index["manifests"][0]["digest"].partition(":")[2]
        manifest = json.loads((target / "blobs" / "sha256" / digest).read_text())
        return [int(layer["size"]) for layer in manifest["layers"]]


def copy_python(root: Path) -> None:
    """The interpreter that runs the tests, as `/usr/local/bin/python3` of a new root, with /bin/sh."""
    prefix, version = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = root / "usr" / "local"
    binary = own / "bin" / version
    binary.parent.mkdir(parents=True)
    shutil.copy2(Path(sysconfig.get_config_var("BINDIR")) / version, binary)
    (own / "bin" / "python3").symlink_to(version)
    library = own / "lib" / version
    shutil.copytree(Path(sysconfig.get_path("stdlib")), library, ignore=LEFT_OUT, symlinks=False)
    (library / "site-packages").mkdir()
    bundled = Path(sysconfig.get_path("stdlib")) / "ensurepip" / "_bundled"
    assert bundled.is_dir(), f"{prefix}: ensurepip has no wheels"
    for program_path in (Path("/bin/sh"), Path("/bin/rm")):
        target = root / "bin" / program_path.name
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(program_path.resolve(), target)
    for folder in ("etc", "tmp", "root", "proc", "sys", "dev"):
        (root / folder).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc" / "passwd").write_text(NAMES)
    executables = [binary, *(root / "bin").iterdir(), *library.rglob("*.so")]
    libraries = sorted(_libraries(executables))
    system = next(path.parent for path in libraries if path.name == "libc.so.6")
    libraries += [system / name for name in COMPANIONS if (system / name).exists()]
    for needed in libraries:
        # The loader of a new root looks for nothing in /usr/local.
        home = system if needed.is_relative_to(prefix) else needed.parent
        target = root / home.relative_to("/") / needed.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(needed.resolve(), target)


def _libraries(files: list[Path]) -> set[Path]:
    """The shared libraries that files ask for, as the loader of this machine finds them."""
    found: set[Path] = set()
    for file in files:
        run = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False)
        found |= {Path(path) for path in re.findall(r"(/\S+) \(0x", run.stdout)}
    return found
