"""Which Python a container finds: one of this machine that is not part of what runs Tidegate.

Whoever wrote a pod's program did not ask for the packages of the autoscaler, and what it installs must not
reach them. Where PATH has no other Python, containers get a bare one: a virtual environment with nothing in
it. Folders for their PATH are kept in a cache; containers see it, and write to copies of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ANSWER_S = 20.0
BUILD_S = 120.0
ASKS = """
import json, sys, sysconfig
scripts = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", "posix_user")]
print(json.dumps([sys.prefix, ".".join(map(str, sys.version_info[:3])), scripts]))
"""
NAMES = ("python", "python3", "pip", "pip3")
# Programs of an environment that are its own Python, under whatever name.
OWN = re.compile(r"(python|pip|activate|easy_install|wheel).*", re.IGNORECASE)
TAGGED = re.compile(r"(?:.*/)?python:(\d+(?:\.\d+)*)")
WHOLE = "tidegate-whole"


@dataclass(frozen=True, slots=True)
class Python:
    """`first` and `last` are folders for a container's PATH; `dropped` is the one that it does not get."""

    program: str = ""
    version: str = ""
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    dropped: str = ""

    def path(self, given: str) -> str:
        folders = [one for one in given.split(os.pathsep) if not self.dropped or not _is(one, self.dropped)]
        last = [one for one in self.last if one not in folders]
        return os.pathsep.join([*self.first, *folders, *last])

    def differs(self, image: str) -> str:
        """What to tell about an image of another version of Python; "" when there is nothing to tell."""
        tag = TAGGED.match(image.partition("@")[0])
        if tag is None or not self.version or f"{self.version}.".startswith(f"{tag[1]}."):
            return ""
        return f"image {image}: containers run with this machine's Python, which is {self.version}"


def cache_of(environment: Mapping[str, str]) -> Path:
    given = environment.get("XDG_CACHE_HOME") or ""
    home = environment.get("HOME") or os.path.expanduser("~")
    return (Path(given) if given.startswith("/") else Path(home) / ".cache") / "tidegate" / "pods"


def find_python(environment: Mapping[str, str], cache: Path, own: str = sys.prefix) -> Python:
    """Looks at the interpreters on PATH; may take seconds where a bare one has to be made.

    `own` is the prefix of the environment that runs Tidegate.
    """
    bin_folder = os.path.join(own, "bin")
    dropped = bin_folder if os.path.exists(os.path.join(own, "pyvenv.cfg")) else ""
    given = Python(dropped=dropped).path(environment.get("PATH", os.defpath))
    programs = _linked(cache / _named("programs", own), _programs(bin_folder)) if dropped else ()
    for folder in dict.fromkeys(given.split(os.pathsep)):
        program = shutil.which("python3", path=folder) if folder else None
        asked = _ask(program, environment) if program else None
        if program and asked and not _is(asked[0], own):
            _, version, scripts = asked
            first = _called(cache / _named("python", program), program, given)
            return Python(program, version, first, (*scripts, *programs), dropped)
    base = str(getattr(sys, "_base_executable", sys.executable))
    bare = _bare(base, cache / _named("bare", base))
    asked = _ask(f"{bare}/bin/python3", environment) if bare else None
    if bare is None or asked is None:
        return Python(last=programs, dropped=dropped)
    first = _called(cache / _named("python", str(bare)), f"{bare}/bin/python3", f"{bare}/bin")
    return Python(f"{bare}/bin/python3", asked[1], (*first, f"{bare}/bin"), programs, dropped)


def _is(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _named(what: str, of: str) -> str:
    return f"{what}-{hashlib.sha256(of.encode()).hexdigest()[:12]}"


def _ask(program: str, environment: Mapping[str, str]) -> tuple[str, str, list[str]] | None:
    """Prefix, version and folders for programs of an interpreter; None for one that does not work."""
    env = {name: environment[name] for name in ("PATH", "HOME") if name in environment}
    try:
        done = subprocess.run(
            [program, "-I", "-c", ASKS], env=env, capture_output=True, timeout=ANSWER_S, check=True, cwd="/"
        )
        prefix, version, scripts = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return str(prefix), str(version), [str(one) for one in scripts if one]


def _programs(folder: str) -> dict[str, str]:
    """What came with this installation besides its Python (a Redis server from a wheel, say)."""
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    return {name: os.path.join(folder, name) for name in names if not OWN.fullmatch(name)}


def _linked(folder: Path, links: Mapping[str, str]) -> tuple[str, ...]:
    """The folder, with exactly these links in it; nothing where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in set(os.listdir(folder)) - set(links):
            (folder / name).unlink()
        for name, target in links.items():
            place = folder / name
            if not place.is_symlink() or os.readlink(place) != target:
                fresh = folder / f"{name}.new"
                fresh.unlink(missing_ok=True)
                fresh.symlink_to(target)
                os.replace(fresh, place)
    except OSError:
        return ()
    return (str(folder),)


def _called(folder: Path, program: str, path: str) -> tuple[str, ...]:
    """A folder with those of the names that do not lead to `program` on PATH; () when all do."""
    beside = os.path.dirname(program)
    wanted = {}
    for name in NAMES:
        found = shutil.which(name, path=path)
        if found is None or not _is(os.path.dirname(found), beside):
            words = f"{program} -m pip" if name.startswith("pip") else program
            wanted[name] = f'#!/bin/sh\nexec {words} "$@"\n'
    if not wanted:
        return ()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            place = folder / name
            if not place.exists() or place.read_text() != text:
                fresh = folder / f"{name}.new"
                fresh.write_text(text)
                fresh.chmod(0o755)
                os.replace(fresh, place)
    except OSError:
        return ()
    return (str(folder),)


def _bare(base: str, folder: Path) -> Path | None:
    """A virtual environment with nothing in it but pip, where `base` can install that."""
    if (folder / WHOLE).exists():
        return folder
    for more in ((), ("--without-pip",)):
        command = [base, "-I", "-m", "venv", "--clear", *more, str(folder)]
        try:
            subprocess.run(command, capture_output=True, timeout=BUILD_S, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        (folder / WHOLE).touch()
        return folder
    return None
