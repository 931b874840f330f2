"""From what a Vault answers to texts by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError
from tidegate.connections.vault.calls import Reply
from tidegate.kit.fetched import Fetched
from tidegate.kit.systems.vault import VaultIssue, VaultRead

CHAIN = "ca_chain"


def attempted(question: VaultRead | VaultIssue) -> str:
    word = "read" if isinstance(question, VaultRead) else "issue a certificate at"
    return f"{word} {question.path}"


def texts_of(question: VaultRead | VaultIssue, reply: Reply) -> Fetched:
    """The texts, without their life. Malformed, or Misconfigured where it is another kind of secret."""
    found = reply.body.get("data")
    if isinstance(question, VaultRead):
        found = _newest(question, found)
    if not isinstance(found, dict):
        raise _error(question, Malformed, "the answer holds no secret")
    values = {key: value for key, value in found.items() if isinstance(value, str)}
    chain = found.get(CHAIN)
    if isinstance(question, VaultIssue) and isinstance(chain, list) and all(map(_is_text, chain)):
        values[CHAIN] = "\n".join(chain)
    return Fetched(values, other_keys=frozenset(found.keys() - values.keys()))


def _newest(question: VaultRead, found: Any) -> Any:
    """What is in the newest version of a secret with versions; a secret without any is itself."""
    inner = found.get("data") if isinstance(found, dict) else None
    has_versions = isinstance(inner, dict) and "metadata" in found
    if question.kind == "secretV2" and not isinstance(inner, dict):
        answer = "what is there has no versions"
        raise _error(question, Misconfigured, answer, "set `type` to secret, or leave it out")
    return inner if question.kind == "secretV2" or (not question.kind and has_versions) else found


def refusal(question: VaultRead | VaultIssue, reply: Reply) -> TidegateError:
    """Why there is nothing."""
    assert reply.error is not None
    if reply.status == 403:
        step = f'let a policy of the token allow "{_right(question)}" on {question.path}'
        return _error(question, Denied, "the token may not do so (403)", step)
    if reply.status == 404:
        return _error(question, Misconfigured, *_absence(reply))
    if reply.status in (400, 405) and isinstance(question, VaultIssue):
        step = "check that the path is a role's (`pki/issue/…`), which allows what `pkiData` asks for"
        return _error(question, Misconfigured, f"it refuses ({reply.status})", step)
    if reply.status in (400, 405):
        return _error(question, Misconfigured, f"it refuses ({reply.status})", "check the path")
    return reply.error


def _absence(reply: Reply) -> tuple[str, str]:
    metadata = reply.part("data").get("metadata")
    if isinstance(metadata, Mapping):
        return "the newest version of the secret was deleted", "write it anew, or undelete it"
    if reply.says("versioned"):
        return (
            "the path is none of a secret with versions",
            "put `data` after the mount: secret/data/…, not secret/…",
        )
    if reply.says("namespace"):
        return "there is no such namespace", "correct `namespace`"
    if reply.says("route"):
        return "no secrets engine is mounted there", "correct the path"
    return "there is nothing", "correct the path, or write the secret"


def _right(question: VaultRead | VaultIssue) -> str:
    return "read" if isinstance(question, VaultRead) else "update"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _error(
    question: VaultRead | VaultIssue, kind: type[TidegateError], answer: str, next_step: str = ""
) -> TidegateError:
    return kind(attempted(question), on=question.server.label(), answer=answer, next_step=next_step)
