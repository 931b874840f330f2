"""The adapter for one etcd cluster: the keys of a batch in as few transactions as the server allows."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.etcd.calls import Calls, NotPermitted, TooMany
from tidegate.connections.etcd.watches import Watches
from tidegate.connections.http.answer import TooLarge
from tidegate.kit.question import Question
from tidegate.kit.systems.etcd import EtcdChanges, EtcdServer, EtcdValue

KEYS = EtcdValue.calls.together
"""Operations in one transaction, as servers allow them unless they are told otherwise."""

Outcome = bytes | TidegateError


class EtcdConnection:
    """Reads are linearizable: a member that has lost its cluster does not answer with old values."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: EtcdServer, surroundings: Surroundings) -> None:
        self._server = server
        self.calls = Calls(server, surroundings)
        self.patience_s = self.calls.patience_s * 2 + 1.0
        self._watches = Watches(self.calls)
        self._at_once = KEYS
        self._apart: set[str] = set()

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order; equal keys are read once."""
        keys = dict.fromkeys(one.key for one in questions if isinstance(one, EtcdValue))
        outcomes = await self._values(list(keys)) if keys else {}
        return [outcomes[one.key] if isinstance(one, EtcdValue) else _unknown(one) for one in questions]

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        if not isinstance(question, EtcdChanges):
            raise _unknown(question)
        await self._watches.watch(question, pushed)

    def is_watching(self, question: Question) -> bool:
        """Whether the server tells of changes of it now."""
        return isinstance(question, EtcdChanges) and self._watches.is_watching(question.key)

    async def close(self) -> None:
        await self._watches.close()
        await self.calls.close()

    async def _values(self, keys: list[str]) -> dict[str, Outcome]:
        """What each key holds, or what is wrong with it. Raises where no key was answered at all."""
        together = [key for key in keys if key not in self._apart]
        lists = [together[at : at + self._at_once] for at in range(0, len(together), self._at_once)]
        lists += [[key] for key in keys if key in self._apart]
        # The first finds out who answers and logs in; if nobody does, the rest is not asked.
        outcomes = await self._read(lists[0])
        for found in await asyncio.gather(*(self._tried(one) for one in lists[1:])):
            outcomes |= found
        errors = [one for one in outcomes.values() if isinstance(one, TidegateError)]
        if len(errors) == len(outcomes) and all(isinstance(one, Unreachable) for one in errors):
            raise errors[0]
        return outcomes

    async def _tried(self, keys: list[str]) -> dict[str, Outcome]:
        try:
            return await self._read(keys)
        except (Unreachable, Denied) as error:
            return dict.fromkeys(keys, error)

    async def _read(self, keys: list[str]) -> dict[str, Outcome]:
        """One transaction; several where one is refused for a key, a size or their number."""
        attempted = f"read the key {keys[0]}" if len(keys) == 1 else f"read {len(keys)} keys"
        reads = [{"request_range": {"key": base64.b64encode(key.encode()).decode()}} for key in keys]
        try:
            document = await self.calls.call("/v3/kv/txn", {"success": reads}, attempted)
        except (NotPermitted, TooLarge, TooMany) as error:
            if len(keys) > 1:
                if isinstance(error, TooMany):
                    self._at_once = max(1, len(keys) // 2)
                half = len(keys) // 2
                return await self._read(keys[:half]) | await self._read(keys[half:])
            self._apart.add(keys[0])
            return {keys[0]: error}
        except (Malformed, Misconfigured) as error:
            return dict.fromkeys(keys, error)
        self._apart.difference_update(keys)
        return self._found(keys, document)

    def _found(self, keys: list[str], document: Any) -> dict[str, Outcome]:
        answers = document.get("responses")
        if not isinstance(answers, list) or len(answers) != len(keys):
            answers = [None] * len(keys)
        return {key: self._value(key, one) for key, one in zip(keys, answers, strict=True)}

    def _value(self, key: str, answer: Any) -> Outcome:
        """Empty lists, zeros and empty values are left out of the gateway's JSON."""
        try:
            found = answer["response_range"].get("kvs", [])
            if not found:
                return self._malformed(key, f"watchKey {key} doesn't exist", "put a number there")
            return base64.b64decode(found[0].get("value", ""), validate=True)
        except (TypeError, KeyError, AttributeError, IndexError, ValueError, binascii.Error):
            return self._malformed(
                key, "the answer is not etcd's", "check that the port is a client port of etcd"
            )

    def _malformed(self, key: str, answer: str, next_step: str) -> Malformed:
        return Malformed(f"read the key {key}", on=self._server.label(), answer=answer, next_step=next_step)


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
