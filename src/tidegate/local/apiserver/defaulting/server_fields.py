"""What only the server can complete: addresses and node ports of Services, the status of definitions."""

from __future__ import annotations

import os
from datetime import datetime
from functools import partial
from pathlib import Path

from tidegate.base.problems import Problem
from tidegate.local.apiserver.defaulting.node_ports import NodePorts
from tidegate.local.apiserver.defaulting.service_addresses import Addresses
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import Entry, Place
from tidegate.local.apiserver.validation.crd import crd_problems
from tidegate.local.apiserver.validation.custom_resources import CRD_KEY, establish
from tidegate.local.objects import Object

_SERVICES = "services"


class Completion:
    """`directory` is the state's own: it tells this installation from others on the machine."""

    def __init__(self, store: Store, directory: Path) -> None:
        installation = os.path.realpath(directory)
        self._addresses = Addresses(installation)
        self._node_ports = NodePorts(installation, partial(_newest_service, store))
        for row in store.rows(_SERVICES):
            self._addresses.note(row.place, row.parse())
            self._node_ports.note(row.place, row.parse())
        store.listen([_SERVICES], self._forget)

    def complete(self, kind: Kind, new: Object, old: Object | None, now: datetime) -> list[Problem]:
        """Completes a defaulted object in place; problems with what it asks of the server."""
        meta = new["metadata"]
        if kind.key == _SERVICES:
            place = (meta.get("namespace", ""), meta.get("name", ""))
            return [*self._addresses.assign(place, new, old), *self._node_ports.assign(place, new, old)]
        if kind.key == CRD_KEY and not any(crd_problems(new)):
            establish(new, old, now)
        return []

    def mark_terminating(self, kind: Kind, new: Object, old: Object, now: datetime) -> None:
        """Lets a definition that is being deleted say so."""
        if kind.key == CRD_KEY:
            establish(new, old, now)

    def _forget(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.type == "DELETED":
                self._addresses.forget(entry.row.place, entry.row.parse())


def _newest_service(store: Store, place: Place) -> Object | None:
    row = store.newest(_SERVICES, place)
    return row.parse() if row else None
