"""What is told of TriggerAuthentications: that one is new, has changed, is gone.

What stood there before this process did is no news: a restart tells nothing. KEDA gives each its finalizer;
where we are, nobody else takes it off: without that none, and no namespace with one, could be deleted.
"""

from __future__ import annotations

from typing import Any

from tidegate.api.kinds import API_VERSION
from tidegate.api.schema.structural import prune, validate
from tidegate.api.validation.problems import schema_of
from tidegate.api.wire import without_nulls
from tidegate.base.problems import Problem
from tidegate.core.values import EmitEvent
from tidegate.kube.resource import CLUSTER_TRIGGER_AUTHENTICATIONS, TRIGGER_AUTHENTICATIONS
from tidegate.operator.cluster.informers import Informers
from tidegate.operator.cluster.writer import Place, Writer
from tidegate.operator.reconcile.steps import FINALIZER
from tidegate.operator.reconcile.tracker import Key

KINDS = (TRIGGER_AUTHENTICATIONS, CLUSTER_TRIGGER_AUTHENTICATIONS)
Told = tuple[str, int]


class AuthenticationEvents:
    """Looks at authentications: compares each with what was told of it last."""

    def __init__(self, informers: Informers, writer: Writer) -> None:
        self.informers = informers
        self.writer = writer
        self._told: dict[Key, Told] = {}
        self._wrong: dict[Key, Told] = {}

    def changed(self, key: Key, new: Any | None, *, is_acting: bool) -> bool:
        """Whether the change is worth a reconcile. Those of the first list, and those that another operator
        tells as long as this one stands by, are only noted, but for one that cannot be read."""
        if new is not None and _is_held(new):
            return True
        if new is None and not is_acting:
            self._told.pop(key, None)
            return False
        if new is not None and not (is_acting and self.informers.has_listed(key[0])):
            self._told[key] = _state(new)
            return bool(_problems(new))
        return self._told.get(key) != (_state(new) if new is not None else None)

    async def reconcile(self, key: Key) -> None:
        """Tells what has happened since the last reconcile."""
        resource, namespace, name = key
        found, told = self.informers.get(resource, namespace, name), self._told.get(key)
        state = _state(found) if found is not None else None
        if found is not None and _is_held(found):
            await self._release(Place(*key, found["metadata"]["uid"]), found["metadata"])
            return
        if told is not None and (state is None or state[0] != told[0]):
            await self._tell(key, told[0], "Deleted", f"{resource.kind} was deleted")
            told = None
        if state is None:
            self._told.pop(key, None)
            self._wrong.pop(key, None)
            return
        if told is None:
            await self._tell(key, state[0], "Added", f"New {resource.kind} configured")
        elif told != state:
            await self._tell(key, state[0], "Updated", f"{resource.kind} {name} is updated")
        self._told[key] = state
        await self._judge(key, found, state)

    async def _release(self, place: Place, metadata: Any) -> None:
        kept = [one for one in metadata["finalizers"] if one != FINALIZER]
        await self.writer.metadata(place, {"finalizers": kept or None}, metadata["resourceVersion"])

    async def _judge(self, key: Key, found: Any, state: Told) -> None:
        """Tells why nobody can read it. Its status has no conditions: the event, and Ready=False of who uses
        it, are all that there is."""
        text = _problems(found)
        if not text:
            self._wrong.pop(key, None)
        elif self._wrong.get(key) != state:
            self._wrong[key] = state
            event = EmitEvent("Warning", f"{key[0].kind}Failed", text)
            await self.writer.event(Place(*key, state[0]), event)

    async def _tell(self, key: Key, uid: str, what: str, text: str) -> None:
        event = EmitEvent("Normal", f"{key[0].kind}{what}", text)
        await self.writer.event(Place(*key, uid), event)


def _is_held(authentication: Any) -> bool:
    """Whether it is on its way out, and KEDA's finalizer keeps it."""
    metadata = authentication["metadata"]
    return bool(metadata.get("deletionTimestamp")) and FINALIZER in (metadata.get("finalizers") or ())


def _problems(authentication: Any) -> str:
    """What keeps it from being read; "" for one that fits its kind."""
    is_cluster = not authentication["metadata"].get("namespace")
    kind = CLUSTER_TRIGGER_AUTHENTICATIONS.kind if is_cluster else TRIGGER_AUTHENTICATIONS.kind
    body = without_nulls({**authentication, "apiVersion": API_VERSION, "kind": kind})
    prune(schema_of(kind), body)
    found = validate(schema_of(kind), body)
    return "; ".join(_without_value(one) for one in found if not one.path.startswith("status"))


def _without_value(problem: Problem) -> str:
    """A token may stand there in clear text."""
    _, is_shown, rule = problem.message.partition(f": {problem.path} in body ")
    return f"{problem.path}: {rule}" if is_shown else str(problem)


def _state(authentication: Any) -> Told:
    metadata = authentication["metadata"]
    return metadata["uid"], int(metadata.get("generation") or 0)
