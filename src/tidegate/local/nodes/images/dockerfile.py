"""What a Dockerfile says, where no image is built: files to copy, packages of Python, words to run. Pure.

Read are FROM, WORKDIR, COPY and ADD of local files, ENV, ARG, `RUN pip install …`, ENTRYPOINT, CMD; EXPOSE,
LABEL and the like mean nothing to a process, and system packages are told. Everything else is refused with
its line, because a program without what it needs would fail later and elsewhere. Of several stages the last
counts, or the one that is named, with those it is built on; what the others say is not looked at.

Read by ourselves: the published readers leave out lines that they do not know and take `${NAME:-text}` for
nothing. Source: https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import copy
import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tidegate.base.errors import Misconfigured
from tidegate.local.nodes.images.left_out import left_out
from tidegate.local.nodes.images.variables import expand, resolve, split

ESCAPE = re.compile(r"\s*#\s*escape\s*=\s*(\\|`)\s*$", re.IGNORECASE)
# Where a line is not read.
WAY_OUT = (
    "name what runs by `tidegate images add IMAGE -- COMMAND`, or leave such lines out of a copy "
    "(--dockerfile COPY --context FOLDER)"
)
READ = ("FROM", "ARG", "ENV", "WORKDIR", "COPY", "ADD", "RUN", "ENTRYPOINT", "CMD")
WORDLESS = ("EXPOSE", "LABEL", "MAINTAINER")
NO_EFFECT = {
    "HEALTHCHECK": "no effect, as in Kubernetes: give the container probes",
    "STOPSIGNAL": "no effect: the container gets SIGTERM",
    "USER": "no effect: the container runs as its securityContext says, else as Tidegate does",
    "VOLUME": "no effect: mount a volume of the pod there",
}
IGNORED_FLAGS = ("chown", "chmod", "link", "mount", "network", "security")
PIP = re.compile(r"(?:\S*/)?(?:pip3?(?:\.\d+)?|python3?(?:\.\d+)?\0-m\0pip)\0install(?:\0|$)")
ELSEWHERE = ("-t", "--target", "--prefix", "--root", "--user", "-e", "--editable", "--python")
ONLY_RUN = "only `pip install …`, `mkdir` and `chmod +x` are run"
SHELL_SIGNS = re.compile(r"[|;<>&()]+|.*(?:`|\$\().*")
URL = re.compile(r"^(?:[a-z][a-z0-9+.-]*://|git@)")


@dataclass(frozen=True, slots=True)
class Copy:
    """`sources` of the folder of the Dockerfile (globs) appear at `target`, a folder if it ends with "/"."""

    line: int
    sources: tuple[str, ...]
    target: str


@dataclass(frozen=True, slots=True)
class Pip:
    """Arguments of `pip install`, run in the image's folder `cwd`."""

    line: int
    args: tuple[str, ...]
    cwd: str


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders that the image has."""

    line: int
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Runnable:
    """Files that were copied and may be run."""

    line: int
    targets: tuple[str, ...]


Step = Copy | Pip | Folders | Runnable


@dataclass(slots=True)
class Recipe:
    """One stage, with all of the stages that it is built on. `entrypoint` and `command` None: nothing is said
    of them; (): what the base runs is taken back."""

    base: str = ""
    steps: list[Step] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    notices: list[str] = field(default_factory=list)


def read(text: str, where: str, arguments: Mapping[str, str] | None = None, target: str = "") -> Recipe:
    """The recipe of the stage called `target`, the last one without it; `arguments` are values for ARG.

    Raises `Misconfigured` with all lines that are not read.
    """
    reader = _Reader(dict(arguments or {}))
    for number, name, rest in instructions(text):
        reader.take(number, name, rest)
    stage = reader.stage_of(target)
    if stage.problems:
        raise Misconfigured(
            "read the Dockerfile", on=where, answer="; ".join(stage.problems), next_step=WAY_OUT
        )
    return stage.recipe


def instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, name in capitals and the rest of each instruction; continued lines are joined."""
    escape, is_first, begun, parts = "\\", True, 0, list[str]()
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        directive = ESCAPE.match(line) if is_first else None
        is_first = is_first and line.lstrip().startswith("#")
        escape = directive[1] if directive else escape
        if line.lstrip().startswith("#") or not line.strip():
            continue
        begun = begun or number
        stripped = line.rstrip()
        goes_on = stripped.endswith(escape)
        parts.append(stripped[:-1] if goes_on else stripped)
        if not goes_on:
            yield _instruction(begun, parts)
            begun, parts = 0, []
    if parts:
        yield _instruction(begun, parts)


def _instruction(number: int, parts: list[str]) -> tuple[int, str, str]:
    name, _, rest = " ".join(part.strip() for part in parts).strip().partition(" ")
    return number, name.upper(), rest.strip()


def _commands(line: str) -> list[list[str]]:
    """The words of each command of a line of the shell, joined by `&&`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[list[str]] = [[]]
    for word in lexer:
        if word == "&&":
            found.append([])
        else:
            found[-1].append(word)
    return found


@dataclass(slots=True)
class _Stage:
    """What is read of a stage: `values` is what its variables stand for."""

    name: str = ""
    recipe: Recipe = field(default_factory=Recipe)
    problems: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)


def _elsewhere(step: Step | None) -> str:
    """The argument of pip that names another place than the image's."""
    words = step.args if isinstance(step, Pip) else ()
    return next((one for one in words if one.partition("=")[0] in ELSEWHERE), "")


def _flags(words: list[str]) -> list[str]:
    return [word for word in words if word.startswith("-")]


class _Reader:
    def __init__(self, arguments: dict[str, str]) -> None:
        self._arguments = arguments
        # Before the first FROM there are values of ARG alone, and all stages see them.
        self._first = self._stage = _Stage()
        self._stages: list[_Stage] = []

    def take(self, number: int, name: str, rest: str) -> None:
        read = getattr(self, f"_{name.lower()}", None) if name.isalpha() and name in READ else None
        if name in NO_EFFECT:
            self._stage.recipe.notices.append(f"line {number}: {name} has {NO_EFFECT[name]}")
        elif name in WORDLESS:
            return
        elif read is None:
            self._refuse(number, f"{name} is not read")
        elif not rest:
            self._refuse(number, f"{name} says nothing")
        elif not self._stages and name not in ("FROM", "ARG"):
            self._refuse(number, f"{name} before FROM")
        else:
            try:
                read(number, rest)
            except ValueError as error:
                self._refuse(number, f"{name} cannot be read: {error}")

    def stage_of(self, target: str) -> _Stage:
        found = [one for one in self._stages if not target or one.name == target.lower()]
        if found:
            return found[-1]
        self._first.problems.append(f"no stage is called {target}" if self._stages else "no FROM")
        return self._first

    def _refuse(self, number: int, why: str) -> None:
        self._stage.problems.append(f"line {number}: {why}")

    def _from(self, number: int, rest: str) -> None:
        words = [resolve(one, self._first.values) for one in split(rest) if not one.startswith("--")]
        if not words or not words[0]:
            # All that follows is of a stage that nothing is known of.
            self._stage = _Stage(problems=[*self._first.problems, f"line {number}: FROM names no image"])
            self._stages.append(self._stage)
            return
        base, name = words[0], words[2].lower() if len(words) == 3 and words[1].upper() == "AS" else ""
        under = next((one for one in reversed(self._stages) if one.name and one.name == base.lower()), None)
        if under is not None:
            self._stage = replace(copy.deepcopy(under), name=name)
        else:
            problems, values = list(self._first.problems), dict(self._first.values)
            self._stage = _Stage(name, Recipe(base), problems, values)
        self._stages.append(self._stage)

    def _arg(self, number: int, rest: str) -> None:
        for word in split(rest):
            name, equals, default = word.partition("=")
            if not equals and name not in self._arguments and name not in self._first.values:
                self._refuse(number, f"ARG {name} has no value: give one by --build-arg {name}=…")
            # Named again in a stage it has the value that stands before the first FROM.
            value = self._expanded(default) if equals else self._first.values.get(name, "")
            self._stage.values[name] = self._arguments.get(name, value)

    def _env(self, number: int, rest: str) -> None:
        words = split(rest)
        if "=" not in words[0]:
            words = [f"{words[0]}={rest.split(None, 1)[1] if len(words) > 1 else ''}"]
        found = dict(self._stage.values)
        for word in words:
            name, equals, value = word.partition("=")
            name = resolve(name, found)
            if not equals or not name:
                return self._refuse(number, f"ENV: {word} has no {'name' if equals else 'value'}")
            self._stage.recipe.env[name] = self._stage.values[name] = resolve(value, found)
        return None

    def _workdir(self, _: int, rest: str) -> None:
        place = posixpath.join(self._stage.recipe.working_dir, self._expanded(rest))
        self._stage.recipe.working_dir = posixpath.normpath(place)

    def _copy(self, number: int, rest: str, name: str = "COPY") -> None:
        rest = self._flags(number, name, rest)
        words = [self._expanded(word) for word in self._words(rest) or split(rest)]
        if len(words) < 2:
            return self._refuse(number, f"{name} needs a source and a target")
        *sources, target = words
        bad = [one for one in sources if one.startswith("<<") or URL.match(one)]
        bad += [one for one in sources if ".." in posixpath.normpath(one.lstrip("/")).split("/")[:1]]
        if bad:
            return self._refuse(number, f"{name} of {bad[0]}: only files beside the Dockerfile are copied")
        place = posixpath.join(self._stage.recipe.working_dir, target)
        slash = "/" if target.endswith(("/", "/.")) or target == "." or len(sources) > 1 else ""
        place = posixpath.normpath(place).rstrip("/") + slash
        self._stage.recipe.steps.append(
            Copy(number, tuple(one.lstrip("/") or "." for one in sources), place or "/")
        )
        return None

    def _add(self, number: int, rest: str) -> None:
        packed = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
        if any(word.endswith(packed) for word in rest.split()[:-1]):
            return self._refuse(number, "ADD of an archive is not read: copy what is in it")
        return self._copy(number, rest, "ADD")

    def _run(self, number: int, rest: str) -> None:
        rest = self._flags(number, "RUN", rest)
        words = self._words(rest) or []
        line = shlex.join(words) if words else rest
        for part in _commands(line):
            is_plain = not any(SHELL_SIGNS.fullmatch(word) for word in part)
            told = left_out(part) if is_plain else None
            step = self._step(number, part) if is_plain else None
            if told:
                self._stage.recipe.notices.append(f"line {number}: RUN {shlex.join(part)} {told}")
            elif step is not None:
                self._stage.recipe.steps.append(step)
            elif told is None:
                return self._refuse(number, f"RUN {line}: {ONLY_RUN}")
            if away := _elsewhere(step):
                return self._refuse(number, f"RUN {line}: {away} would install elsewhere")
        return None

    def _step(self, number: int, part: list[str]) -> Step | None:
        # The shell has taken the quotes off.
        words = [expand(word, self._stage.values) for word in part]
        if PIP.match("\0".join(part)):
            return Pip(number, tuple(words[part.index("install") + 1 :]), self._stage.recipe.working_dir)
        makes = (
            bool(part) and part[0] == "mkdir" and all(word in ("-p", "-v", "-pv") for word in _flags(part))
        )
        runs = part[:2] == ["chmod", "+x"] and not _flags(part)
        if not (makes or runs):
            return None
        places = [word for word in words[1 if makes else 2 :] if not word.startswith("-")]
        targets = tuple(
            posixpath.normpath(posixpath.join(self._stage.recipe.working_dir, one)) for one in places
        )
        return Folders(number, targets) if makes else Runnable(number, targets)

    def _entrypoint(self, _: int, rest: str) -> None:
        # As Docker has it: a new entrypoint forgets the command of the base, never that of the same file.
        self._stage.recipe.entrypoint = self._line(rest)

    def _cmd(self, _: int, rest: str) -> None:
        self._stage.recipe.command = self._line(rest)

    def _line(self, rest: str) -> tuple[str, ...]:
        words = self._words(rest)
        return ("/bin/sh", "-c", rest) if words is None else tuple(words)

    def _words(self, rest: str) -> list[str] | None:
        """The words of the JSON form, None for the other one."""
        if not rest.startswith("["):
            return None
        try:
            words = json.loads(rest)
        except (ValueError, RecursionError):
            return None
        return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None

    def _flags(self, number: int, name: str, rest: str) -> str:
        while rest.startswith("--"):
            flag, _, rest = rest.partition(" ")
            rest = rest.strip()
            kind = flag[2:].partition("=")[0]
            if kind not in IGNORED_FLAGS:
                why = "nothing is built"
                self._refuse(number, f"{name} {flag} is not read" + (f": {why}" if kind == "from" else ""))
        return rest

    def _expanded(self, text: str) -> str:
        return resolve(text, self._stage.values)
