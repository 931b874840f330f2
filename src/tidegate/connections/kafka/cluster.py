"""Who is who in a cluster: its brokers, the leaders of partitions, the coordinators of groups, and the links.

Leaders are asked for with every round; coordinators are remembered until one denies it. A broker that cannot
be reached is asked once a call: what only it knows fails, the rest does not wait for it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.protocol.api import RequestStruct

from tidegate.base.addresses import split_address
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.kafka import wire
from tidegate.connections.kafka.link import Cut, Dialling, Link
from tidegate.connections.kafka.refusals import UNKNOWN_TOPIC, Stale, refusal

Address = tuple[str, int]
Build = Callable[[Link], Sequence[RequestStruct]]
"""Makes the requests for a broker, in the versions it speaks."""

STAGGER_S = 0.3
"""After so long without an answer the next broker is asked as well."""

# Of several failures the one to show: what a user can mend comes first.
_TELLING = (Denied, Misconfigured, Malformed, Unsupported, Unreachable)


@dataclass(slots=True)
class Topic:
    """A topic's partitions in order, with the broker that leads each or why that is not known."""

    error: TidegateError | None = None
    leaders: dict[int, int | TidegateError] = field(default_factory=dict)


class Cluster:
    """The brokers of one cluster. Not for use by two calls at once."""

    def __init__(self, seeds: Iterable[str], label: str) -> None:
        self.label = label
        self.dialling: Dialling | None = None
        self._seeds = tuple(split_address(seed) for seed in seeds)
        self._brokers: dict[int, Address] = {}
        self._coordinators: dict[str, int] = {}
        self._links: dict[Address, Link] = {}
        self._dark: dict[Address, TidegateError] = {}

    @property
    def nodes(self) -> tuple[int, ...]:
        """The brokers there are, by their numbers."""
        return tuple(self._brokers)

    def address(self, node: int) -> Address:
        """Where a broker is; `Stale` where there is none of this number just now."""
        address = self._brokers.get(node)
        if address is None:
            raise Stale("ask", on=self.label, answer=f"broker {node} is not in the cluster just now")
        return address

    def begin(self) -> None:
        """A new call: brokers that could not be reached are tried again."""
        self._dark = {}

    async def close(self) -> None:
        links, self._links = self._links, {}
        for link in links.values():
            await link.close()

    def forget(self, groups: Iterable[str]) -> None:
        """These groups' coordinators are to be found anew."""
        for group in groups:
            self._coordinators.pop(group, None)

    def coordinator(self, group: str) -> int | None:
        return self._coordinators.get(group)

    async def look(
        self, topics: Sequence[str], groups: Iterable[str]
    ) -> tuple[dict[str, Topic], dict[str, TidegateError]]:
        """The topics, and the groups whose coordinator is not known; one round trip for all.

        Raises the error of the whole cluster where no broker answers.
        """
        unknown = [group for group in groups if group not in self._coordinators]
        metadata, *found = await self._ask_any(
            lambda link: [_metadata(link, topics), *_searches(link, unknown)]
        )
        self._brokers = {node: (host, port) for node, host, port, *_ in metadata.brokers}
        await self._prune()
        return self._topics(metadata, topics), self._found(unknown, found)

    async def ask(self, node: int, build: Build) -> list[Any]:
        """A broker's replies; raises the error that it, alone, is asked in vain with."""
        return await self._ask(self.address(node), build)

    # --- asking

    async def _ask(self, address: Address, build: Build) -> list[Any]:
        if address in self._dark:
            raise self._dark[address].with_traceback(None)
        try:
            link = await self._usable(address)
            try:
                return await link.exchange(build(link))
            except Cut:
                # The broker closes idle connections, a restart closes all: try a new one, once.
                link = await self._usable(address)
                return await link.exchange(build(link))
        except (Unreachable, Denied, Malformed) as error:
            self._dark[address] = error
            raise

    async def _usable(self, address: Address) -> Link:
        link = self._links.get(address)
        if link is None:
            assert self.dialling is not None
            link = self._links[address] = Link(address, self.dialling)
        if not link.is_usable:
            await link.open()
        return link

    async def _ask_any(self, build: Build) -> list[Any]:
        """The replies of whichever broker answers, those first that are connected already."""
        known = dict.fromkeys([*self._brokers.values(), *self._seeds])
        usable = [address for address in known if address in self._links and self._links[address].is_usable]
        waiting = list(dict.fromkeys([*usable, *known]))
        tasks: set[asyncio.Task[list[Any]]] = set()
        failures: list[TidegateError] = []
        try:
            while waiting or tasks:
                if waiting:
                    tasks.add(asyncio.ensure_future(self._ask(waiting.pop(0), build)))
                timeout_s = STAGGER_S if waiting else None
                done, tasks = await asyncio.wait(
                    tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    try:
                        return task.result()
                    except TidegateError as error:
                        failures.append(error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        raise min(
            failures, key=lambda one: next(n for n, kind in enumerate(_TELLING) if isinstance(one, kind))
        )

    async def _prune(self) -> None:
        """Closes links to what is no broker of the cluster, by the address it advertises."""
        for address in self._links.keys() - set(self._brokers.values()):
            await self._links.pop(address).close()

    # --- reading

    def _topics(self, metadata: Any, asked: Iterable[str]) -> dict[str, Topic]:
        topics = {}
        for code, name, _, partitions in metadata.topics:
            attempted = f"find the partitions of topic {name}"
            topic = topics[name] = Topic(refusal(code, attempted, self.label) if code else None)
            for error, partition, leader, *_ in sorted(partitions, key=lambda one: one[1]):
                if leader < 0:
                    attempted = f"find the leader of partition {partition} of topic {name}"
                    topic.leaders[partition] = refusal(error or 5, attempted, self.label)
                else:
                    topic.leaders[partition] = leader
        for name in asked:
            if name not in topics:  # all there are were asked for, see `_metadata`
                attempted = f"find the partitions of topic {name}"
                topics[name] = Topic(refusal(UNKNOWN_TOPIC, attempted, self.label))
        return topics

    def _found(self, groups: Sequence[str], replies: Sequence[Any]) -> dict[str, TidegateError]:
        """Remembers the coordinators that were found; why the others were not."""
        failures: dict[str, TidegateError] = {}
        for group, code, node, address in _coordinators(groups, replies):
            if code:
                failures[group] = refusal(code, f"find the coordinator of group {group}", self.label)
            else:
                self._coordinators[group] = node
                self._brokers.setdefault(node, address)
        for group in groups:
            if group not in failures and group not in self._coordinators:
                failures[group] = Malformed(
                    f"find the coordinator of group {group}", on=self.label, answer="the reply leaves it out"
                )
        return failures


def _metadata(link: Link, topics: Sequence[str]) -> RequestStruct:
    """Asks for topics without ever creating one: older brokers do unless they are asked for all."""
    kind = link.best(wire.METADATA)
    request: RequestStruct
    if kind.API_VERSION >= 4:
        request = kind(list(topics), False)
    else:
        request = kind(None if topics else [])
    return request


def _searches(link: Link, groups: Sequence[str]) -> list[RequestStruct]:
    if not groups:
        return []
    kind = link.best(wire.FIND_COORDINATOR)
    if kind.API_VERSION >= 4:
        return [kind(0, list(groups), {})]
    return [kind(group, 0) if kind.API_VERSION else kind(group) for group in groups]


def _coordinators(groups: Sequence[str], replies: Sequence[Any]) -> Iterable[tuple[str, int, int, Address]]:
    """Group, error code, broker and its address."""
    for group, reply in zip(groups, replies, strict=False):
        if reply.API_VERSION >= 4:
            for key, node, host, port, code, *_ in reply.coordinators or ():
                yield key, code, node, (host, port)
            return
        yield group, reply.error_code, reply.coordinator_id, (reply.host, reply.port)
