"""A container engine of the user's, by its command line."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tidegate.local.nodes.runtimes import answers
from tidegate.local.nodes.runtimes.answers import Image, State
from tidegate.local.nodes.runtimes.creation import NODE_LABEL, POD_LABEL, Creation, Wanted, creation
from tidegate.local.nodes.runtimes.dialect import Dialect

ANSWER_S = 60.0
AT_ONCE = 4
MOST_BYTES = 4_000_000
T = TypeVar("T")


class EngineError(OSError):
    """What the engine said where it could not do what was asked; names what was attempted."""


class Engine:
    """`environment` is the server's: the engine gets of it what its dialect names. `answer_s` is what an
    answer may take, but for a pull.
    """

    def __init__(
        self,
        dialect: Dialect,
        environment: Mapping[str, str],
        node_id: str,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._answer_s = answer_s
        self.dialect = dialect
        self.environment = dialect.environment(environment)
        self.node_id = node_id
        # One object for all pods: an engine that is asked for a hundred things at once does none sooner.
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def problem(self) -> str:
        """Why it cannot be used, in its own words; "" where it answers."""
        try:
            await self._run(["ps", "--quiet"], "list containers")
        except EngineError as error:
            return str(error)
        return ""

    async def names(self) -> set[str]:
        """All containers that this directory's servers made."""
        return await self._list(f"{NODE_LABEL}={self.node_id}")

    async def names_of_pod(self, uid: str) -> set[str]:
        return await self._list(f"{NODE_LABEL}={self.node_id}", f"{POD_LABEL}={uid}")

    async def image(self, name: str) -> Image | None:
        """None where it is not on this machine."""
        words = ["image", "inspect", "--format", "{{json .}}", name]
        code, out, err = await self._ask(words, f"look for the image {name}")
        if code == 0:
            return self._read(answers.image, out, f"look for the image {name}")
        if answers.is_absent(err):
            return None
        raise EngineError(f"{self.dialect.name} cannot look for the image {name}: {answers.told(err)}")

    async def pull(self, name: str, login: Path | None = None) -> None:
        """`login` is the folder of a `config.json` for the registry."""
        words, env = ["pull", "--quiet"], dict(self.environment)
        if login is not None and self.dialect.login == "DOCKER_CONFIG":
            env["DOCKER_CONFIG"] = str(login)
        elif login is not None:
            words += [self.dialect.login, str(login / "config.json")]
        code, _, err = await self._call([self.dialect.name, *words, name], b"", env, None)
        if code != 0:
            raise EngineError(answers.told(err))

    async def create(self, wanted: Wanted) -> None:
        """Makes the container, in place of one of that name which never ran."""
        made: Creation = creation(self.dialect, wanted)
        what = f"create the container {wanted.name}"
        code, _, err = await self._ask(made.words[1:], what, made.stdin, made.env)
        if code != 0 and not self.dialect.replaces and "already" in err:
            await self.remove(wanted.name)
            code, _, err = await self._ask(made.words[1:], what, made.stdin, made.env)
        if code != 0:
            raise EngineError(answers.told(err))

    async def state(self, name: str) -> State | None:
        """None where there is no such container."""
        words = ["container", "inspect", "--format", "{{json .State}}", name]
        code, out, err = await self._ask(words, f"look at the container {name}")
        if code == 0:
            return self._read(answers.state, out, f"look at the container {name}")
        if answers.is_absent(err):
            return None
        raise EngineError(f"{self.dialect.name} cannot look at the container {name}: {answers.told(err)}")

    async def signal(self, name: str, number: str) -> bool:
        """Whether it was there to be signalled."""
        code, _, _ = await self._ask(["kill", "--signal", number, name], f"signal the container {name}")
        return code == 0

    async def remove(self, name: str) -> None:
        """Ends it, if it runs; safe twice."""
        code, _, err = await self._ask([*self.dialect.remove, name], f"remove the container {name}")
        if code != 0 and not answers.is_absent(err):
            raise EngineError(f"{self.dialect.name} cannot remove the container {name}: {answers.told(err)}")

    async def _list(self, *labels: str) -> set[str]:
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        words = ["ps", "--all", *filters, "--format", "{{.Names}}"]
        return set((await self._run(words, "list containers")).split())

    async def _run(self, words: Sequence[str], what: str) -> str:
        code, out, err = await self._ask(words, what)
        if code != 0:
            raise EngineError(f"{self.dialect.name} cannot {what}: {answers.told(err)}")
        return out

    async def _ask(
        self, words: Sequence[str], what: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        async with self._turn:
            try:
                return await self._call(
                    [self.dialect.name, *words], stdin, {**(env or {}), **self.environment}, self._answer_s
                )
            except TimeoutError as error:
                told = f"{self.dialect.name} cannot {what}: no answer within {self._answer_s:g} s"
                raise EngineError(told) from error

    async def _call(
        self, words: Sequence[str], stdin: bytes, env: Mapping[str, str], timeout_s: float | None
    ) -> tuple[int, str, str]:
        given = _file_of(stdin) if stdin else DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                env=env,
                cwd="/",
                stdin=given,
                stdout=PIPE,
                stderr=PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            name = self.dialect.name
            told = f"{name} is not there: no such program on the PATH of the server; install {name}"
            raise EngineError(told) from error
        except OSError as error:
            raise EngineError(f"{self.dialect.name} cannot be run: {error.strerror}") from error
        finally:
            if given != DEVNULL:
                os.close(given)
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                await process.wait()
        return process.returncode or 0, _text(out), _text(err)

    def _read(self, read: Callable[[str], T], text: str, what: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            told = f"{self.dialect.name} cannot {what}: its answer is no JSON object"
            raise EngineError(told) from error


def _file_of(content: bytes) -> int:
    """A file without a name: /dev/stdin of a pipe can be opened anew, that of a loop's socket cannot."""
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _text(content: bytes) -> str:
    return content[:MOST_BYTES].decode("utf-8", "replace")
