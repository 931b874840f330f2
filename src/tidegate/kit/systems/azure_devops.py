"""Azure DevOps: the jobs of an agent pool, and which of them a workload can take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote_plus

from tidegate.base.errors import Malformed, Misconfigured
from tidegate.kit.identity import AnyIdentity, IdentityToken
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, HttpServer, basic, read_url

AGENT_VERSION = "Agent.Version"
AUDIENCE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
"""Azure DevOps, by its number. Source: Microsoft, "Use service principals and managed identities"."""

POOLS = "/_apis/distributedtask/pools"

_LIMIT_BYTES = 16 << 20


def devops_request(organization_url: str, token: str | AnyIdentity, path: str, attempted: str) -> HttpRequest:
    """A request to an organisation, with a personal access token or as an identity. A 203 is the page to
    sign in at."""
    url = read_url(organization_url)
    if isinstance(token, str):
        login = HttpLogin((basic("", token.rstrip("\n")),))
    else:
        login = HttpLogin(token=IdentityToken(token, AUDIENCE))
    server = HttpServer(url.origin, login, name="Azure DevOps", follows_redirects=False)
    path = url.path.rstrip("/") + path
    return HttpRequest(server, path, accepts=(200,), limit_bytes=_LIMIT_BYTES, attempted=attempted)


def organization_problem(url: str, *, has_identity: bool = False) -> str:
    """What is wrong with an organisation's URL, for a message; "" where nothing is.

    An identity's token is as good for all that it may do there: it goes to Microsoft's own hosts alone.
    """
    try:
        parts = read_url(url)
    except ValueError as error:
        return f"the URL {error}"
    name = parts.path.rpartition("/")[2]
    host = parts.origin.partition("://")[2]
    is_microsofts = host == "dev.azure.com" or host.endswith(".visualstudio.com")
    if has_identity and not (is_microsofts and parts.origin.startswith("https:")):
        return "an identity logs in at https://dev.azure.com or https://….visualstudio.com alone"
    if has_identity and host.endswith(".visualstudio.com"):
        return ""
    return "" if name else "failed to extract organization name from organizationURL"


def pool_path(name: str) -> str:
    return f"{POOLS}?poolName={quote_plus(name)}"


def the_pool(answer: Any, question: HttpQuestion, name: str) -> int:
    """The number of the one pool in an answer. Misconfigured where there is none, or more than one."""
    if not isinstance(answer, list) or not all(type(one) is int for one in answer):
        raise Malformed("find the pool", on=question.server.label(), answer="the answer lists no pools")
    if len(answer) != 1:
        words = f"{len(answer)} agent pools have the name {name}"
        raise Misconfigured("find the pool", on=question.server.label(), answer=words)
    return int(answer[0])


@dataclass(frozen=True, slots=True)
class Job:
    """A job that no agent has taken: its demands as texts, the agents that could take it."""

    demands: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueuedJobs:
    """A pick: the jobs of an answer that have neither a result nor a time of receipt."""

    format: ClassVar[str] = "json"

    @staticmethod
    def read(body: bytes) -> tuple[Job, ...]:
        document = read_json(body)
        entries = document.get("value") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise Unpicked("the answer holds no list of jobs")
        return tuple(_job(entry) for entry in entries if _is_queued(entry))

    def of(self, document: tuple[Job, ...]) -> tuple[Job, ...]:
        return document


@dataclass(frozen=True, slots=True)
class Demands:
    """How a workload's demands are compared with a job's.

    `are_all`: both must be the same. `are_ours`: all of ours must be among the job's. Neither: all of the
    job's must be among ours. Entries that begin with `Agent.Version` never count.
    """

    texts: tuple[str, ...]
    are_all: bool = False
    are_ours: bool = False
    ignores_case: bool = False

    def are_met(self, job: Job) -> bool:
        theirs, ours = self._compared(job.demands), self._compared(self.texts)
        equal = sum(one == other for one in theirs for other in ours)
        if self.are_all:
            return equal == len(theirs) == len(ours)
        return equal == (len(ours) if self.are_ours else len(theirs))

    def _compared(self, texts: Iterable[str]) -> list[str]:
        kept = [text for text in texts if not text.startswith(AGENT_VERSION)]
        return [text.casefold() for text in kept] if self.ignores_case else kept


def _is_queued(entry: Any) -> bool:
    if not isinstance(entry, dict):
        raise Unpicked("a job of the answer is no object")
    return entry.get("result") is None and entry.get("receiveTime") is None


def _job(entry: dict[str, Any]) -> Job:
    demands, agents = entry.get("demands") or [], entry.get("matchedAgents") or []
    if not isinstance(demands, list) or not isinstance(agents, list):
        raise Unpicked("a job of the answer has demands or agents that are no lists")
    names = (agent.get("name") for agent in agents if isinstance(agent, dict))
    return Job(
        tuple(text for text in demands if isinstance(text, str)),
        tuple(name for name in names if isinstance(name, str)),
    )
