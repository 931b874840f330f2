"""What the commands that talk to an API server share: options, the connection, errors as one line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from tidegate.base.errors import Misconfigured, TidegateError
from tidegate.cli.cluster.local_directory import default_directory
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.kube.discovery import Discovery
from tidegate.kube.resource import ApiError
from tidegate.runtime import loop

Command = TypeVar("Command", bound=Callable[..., Any])

ANSWER_S = 3.0

_NEXT_STEPS = {
    "Unauthorized": "the server does not accept the credentials of the kubeconfig: renew them",
    "Forbidden": "ask for the permission, or name another kubeconfig with --kubeconfig",
    "Conflict": "somebody else changed it meanwhile: run the command again",
    "Expired": "run the command again",
}


class Failed(click.ClickException):
    """One line on standard error, exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True)


@dataclass(frozen=True, slots=True)
class Server:
    """Which API server and which namespace the user named; "" where none."""

    kubeconfig: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection. `namespace` is the one to work in, whoever named it."""

    client: Client
    discovery: Discovery
    namespace: str
    is_namespace_given: bool = False


def reaching(command: Command) -> Command:
    """Adds the options that say which server, which namespace."""
    kubeconfig = click.option(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="Names the server. Without it: $KUBECONFIG, the pod's service account, ~/.kube/config, "
        "or the `tidegate up` that serves its default data directory.",
    )
    namespace = click.option("-n", "--namespace", default="", help="Default: that of the kubeconfig.")
    return kubeconfig(namespace(command))


def filenames(command: Command) -> Command:
    """Adds -f."""
    option = click.option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        metavar="PATH",
        help="A manifest file, a folder of them, or - for standard input; may be repeated.",
    )
    return option(command)


def run(server: Server, work: Callable[[Session], Awaitable[bool]]) -> None:
    """Ends the command with 1 when `work` is not content or fails, with 130 when interrupted."""

    async def main() -> bool:
        async with opened(server) as session:
            return await work(session)

    try:
        is_content = loop.run(main, is_fast=False)
    except (ApiError, TidegateError) as error:
        raise Failed(line(error)) from error
    except KeyboardInterrupt:
        sys.exit(130)
    if not is_content:
        sys.exit(1)


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[Session]:
    """A session; the server's warnings go to standard error as they come."""
    found = await configuration(server.kubeconfig)
    client = Client(found, on_warning=warn)
    try:
        namespace = server.namespace or found.namespace
        yield Session(client, Discovery(client), namespace, bool(server.namespace))
    finally:
        await client.close()


async def configuration(kubeconfig: str) -> config.Config:
    """The named kubeconfig, what kubectl would use, or that of a local cluster that is up."""
    try:
        return config.load(kubeconfig or None)
    except config.Unconfigured as error:
        local = default_directory() / "kubeconfig"
        if local.exists():
            found = config.load(local)
            if await answers(found):
                return found
        next_step = "start one with `tidegate up` and export the KUBECONFIG it prints, or use --kubeconfig"
        raise Misconfigured(error.attempted, answer=error.answer, next_step=next_step) from error


async def answers(found: config.Config) -> bool:
    """Whether the server there is up and is the one the kubeconfig was written for."""
    client = Client(found)
    try:
        async with asyncio.timeout(ANSWER_S):
            await client.request("GET", "/version")
    except (ApiError, TidegateError, TimeoutError):
        return False
    finally:
        await client.close()
    return True


def line(error: ApiError | TidegateError) -> str:
    """`Error from server (NotFound): pods "x" not found`, with what to do where that is known."""
    if isinstance(error, TidegateError):
        return f"tidegate: {error}"
    return f"Error from server ({error.reason}): {reason(error)}"


def reason(error: ApiError | TidegateError) -> str:
    """The same without the beginning: for lines that begin with a place in a file."""
    text = " ".join(str(error).split())
    next_step = _NEXT_STEPS.get(error.reason, "") if isinstance(error, ApiError) else ""
    return f"{text}; {next_step}" if next_step else text


def warn(text: str) -> None:
    click.echo(f"Warning: {text}", err=True)


def complain(error: ApiError | TidegateError, place: str = "") -> None:
    """Shows an error and lets the command go on with the rest."""
    click.echo(f"{place}: {reason(error)}" if place else line(error), err=True)
