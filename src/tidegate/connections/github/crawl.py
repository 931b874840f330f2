"""From an owner to the jobs that wait or run: repositories, their runs under way, the jobs of those."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar
from urllib.parse import quote

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError
from tidegate.connections.github.api import Api, Limited
from tidegate.kit.systems.github import GithubJob, GithubJobs

STATES = ("queued", "in_progress")
LISTED = 30
"""Repositories of a page that says nothing else."""

PER_PAGE, PAGES = 100, 50

Jobs = tuple[GithubJob, ...]
Found = Jobs | None
"""None: the repository is not there, or not for this login to see."""
Result = TypeVar("Result")


class Crawl:
    """One look at everything that the questions of a round need: each list is asked for once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._repositories: dict[tuple[str, str], asyncio.Task[tuple[str, ...]]] = {}
        self._jobs: dict[tuple[str, str], asyncio.Task[Found]] = {}

    async def answer(self, question: GithubJobs) -> Jobs | TidegateError:
        """The jobs of the question's repositories. Raises what ends the whole crawl."""
        try:
            names = question.repositories or await self._once(
                self._repositories,
                (question.owner, "users" if question.scope == "repo" else "orgs"),
                self._listed,
            )
            found = await _together(
                self._once(self._jobs, (question.owner, name), self._of_repository) for name in names
            )
        except Limited:
            raise
        except TidegateError as error:
            return error
        if question.repositories and all(jobs is None for jobs in found):
            # One that went is passed over. None at all is a wrong name, or a login that sees none of them.
            where = ", ".join(f"{question.owner}/{name}" for name in question.repositories)
            return Misconfigured(
                "list the jobs",
                on=self._on,
                answer=f"404 Not Found for {where:.200}",
                next_step="check `owner` and `repos`, and what the login may see",
            )
        return tuple(job for jobs in found for job in jobs or ())

    async def _once(self, known: Any, key: tuple[str, str], make: Any) -> Any:
        if key not in known:
            known[key] = asyncio.ensure_future(make(*key))
        return await asyncio.shield(known[key])

    async def close(self) -> None:
        """Ends what is still under way."""
        tasks = [*self._repositories.values(), *self._jobs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listed(self, owner: str, kind: str) -> tuple[str, ...]:
        attempted, names = f"list the repositories of {owner}", list[str]()
        for page in range(1, PAGES + 1):
            found = await self._api.get(f"/{kind}/{quote(owner, safe='')}/repos?page={page}", attempted)
            if found is None:
                raise Denied(
                    attempted,
                    on=self._api.client.server.label(),
                    answer="404 Not Found",
                    next_step="check `owner` and `runnerScope`, and what the login may see",
                )
            for entry in _entries(found, attempted, self._on):
                names.append(_text(entry, "name", attempted, self._on))
            if len(found) < LISTED:
                return tuple(names)
        raise self._endless(attempted)

    async def _of_repository(self, owner: str, name: str) -> Found:
        runs: dict[int, str] = {}
        place = f"/repos/{quote(owner, safe='')}/{quote(name, safe='')}"
        found = await _together(self._runs(place, state, name) for state in STATES)
        if all(listed is None for listed in found):
            return None
        for listed in found:
            runs |= listed or {}
        jobs = await _together(self._of_run(owner, repository, run) for run, repository in runs.items())
        return tuple(job for listed in jobs for job in listed)

    async def _runs(self, place: str, state: str, name: str) -> dict[int, str] | None:
        """Runs in this state by number, each with its repository's name; None where the repository is not."""
        attempted, found = f"list the runs of {name}", dict[int, str]()
        path = f"{place}/actions/runs?status={state}&per_page={PER_PAGE}"
        entries = await self._paged(path, "workflow_runs", attempted)
        if entries is None:
            return None
        for entry in entries:
            if entry.get("status") in STATES:
                repository = entry.get("repository")
                called = repository.get("name") if isinstance(repository, dict) else None
                found[_whole(entry, "id", attempted, self._on)] = called if isinstance(called, str) else name
        return found

    async def _of_run(self, owner: str, repository: str, run: int) -> Jobs:
        attempted = f"list the jobs of {repository}"
        place = f"/repos/{quote(owner, safe='')}/{quote(repository, safe='')}"
        path = f"{place}/actions/runs/{run}/jobs?per_page={PER_PAGE}"
        return tuple(
            GithubJob(tuple(label for label in entry.get("labels") or () if isinstance(label, str)))
            for entry in await self._paged(path, "jobs", attempted) or ()
            if entry.get("status") in STATES
        )

    async def _paged(self, path: str, field: str, attempted: str) -> list[dict[str, Any]] | None:
        """All entries of a list, page by page; None where it is not found."""
        entries: list[dict[str, Any]] = []
        for page in range(1, PAGES + 1):
            found = await self._api.get(path if page == 1 else f"{path}&page={page}", attempted)
            if found is None and page == 1:
                return None
            if found is None:
                return entries
            listed = _entries(found.get(field) if isinstance(found, dict) else None, attempted, self._on)
            entries += listed
            if len(listed) < PER_PAGE:
                return entries
        raise self._endless(attempted)

    def _endless(self, attempted: str) -> Malformed:
        answer = f"its page {PAGES} is full still, and no more are read: a part would count too little"
        return Malformed(
            attempted, on=self._on, answer=answer, next_step="name fewer repositories, in `repos`"
        )

    @property
    def _on(self) -> str:
        return self._api.client.server.label()


async def _together(wanted: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """The results of all; where one fails, the others end with it, so that nothing asks afterwards."""
    tasks = [asyncio.ensure_future(one) for one in wanted]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _entries(found: Any, attempted: str, on: str) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Malformed(attempted, on=on, answer="the answer holds no list")
    return found


def _text(entry: dict[str, Any], field: str, attempted: str, on: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str):
        raise Malformed(attempted, on=on, answer=f"an entry has no {field}")
    return value


def _whole(entry: dict[str, Any], field: str, attempted: str, on: str) -> int:
    value = entry.get(field)
    if type(value) is not int:
        raise Malformed(attempted, on=on, answer=f"an entry has no {field}")
    return value


def all_denied(answers: Iterable[Any]) -> bool:
    """Whether the login is refused everywhere, and not for one repository."""
    answers = list(answers)
    return bool(answers) and all(isinstance(one, Denied) for one in answers)
