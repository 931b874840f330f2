"""GitHub Actions: whom to ask, what to ask, and which jobs a runner can take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

DEFAULT_LABELS = frozenset({"self-hosted", "linux", "x64"})

Scope = Literal["org", "ent", "repo"]


@dataclass(frozen=True, slots=True)
class GithubApp:
    """An installation of a GitHub App, and the App's private key (PEM): tokens are made with it."""

    application_id: int
    installation_id: int
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class GithubServer:
    """An API, asked with a personal access token or as an App. `api`: its base URL, no slash behind."""

    system: ClassVar[str] = "github"

    api: str
    token: str = field(default="", repr=False)
    app: GithubApp | None = None

    def label(self) -> str:
        return f"GitHub {self.api}"


@dataclass(frozen=True, slots=True)
class GithubJobs:
    """The jobs that wait or run in repositories of an owner: a tuple of `GithubJob`.

    Without `repositories` in all that the owner has, as `scope` says where to list them. A repository that is
    not there, or not for us to see, has no jobs; Misconfigured where that is so of all that are named.
    """

    server: GithubServer
    owner: str
    scope: Scope
    repositories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GithubJob:
    """A job, by the labels that its runner must have."""

    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Runner:
    """What a runner can take: jobs all of whose labels it has, upper and lower case alike.

    A job without labels fits every runner, or with `is_strict` only one without labels of its own.
    """

    labels: tuple[str, ...] = ()
    has_defaults: bool = True
    is_strict: bool = False

    def count(self, jobs: Iterable[GithubJob]) -> int:
        own = {label.casefold() for label in self.labels}
        own |= DEFAULT_LABELS if self.has_defaults else set()
        return sum(self._fits(job, own) for job in jobs)

    def _fits(self, job: GithubJob, own: set[str]) -> bool:
        if not job.labels and self.is_strict:
            return not self.labels
        return all(label.casefold() in own for label in job.labels)
