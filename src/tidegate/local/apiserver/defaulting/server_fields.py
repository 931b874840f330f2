"""What only the server can complete: addresses and node ports of Services, the status of definitions, the
tokens of Pods.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from tidegate.base.problems import Problem
from tidegate.local.apiserver.defaulting import api_services
from tidegate.local.apiserver.defaulting.account_volume import PREFIX, mount_account
from tidegate.local.apiserver.defaulting.node_ports import NodePorts
from tidegate.local.apiserver.defaulting.service_addresses import (
    API,
    ON_LOOPBACK,
    ON_MACHINE,
    Addresses,
    ServiceNetwork,
)
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import forbidden
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import Place, row_of
from tidegate.local.apiserver.validation.crd import crd_problems
from tidegate.local.apiserver.validation.custom_resources import CRD_KEY, establish
from tidegate.local.apiserver.validation.endpoints import ENDPOINTS, SLICES, special_addresses
from tidegate.local.apiserver.validation.object_metadata import generated_name, same
from tidegate.local.objects import TEMPLATE_GENERATION, Object

CONTROLLERS = ("endpointslice-controller.k8s.io", "endpoint-controller")
SHARED_HINT = "; pods share this machine's network here and reach its loopback without a Service"
OWN_HINT = "; a Service of type ExternalName to host.tidegate.internal leads to this machine's loopback"

log = logging.getLogger(__name__)

_SERVICES, _PODS, _ACCOUNTS = "services", "pods", "serviceaccounts"
_DAEMON_SETS = "daemonsets.apps"


class Completion:
    """`directory` is the state's own: it tells this installation from others on the machine."""

    def __init__(self, store: Store, directory: Path, network: ServiceNetwork = ON_LOOPBACK) -> None:
        installation = os.path.realpath(directory)
        self._store = store
        find = partial(_newest_service, store)
        self._network = network
        self._addresses = Addresses(installation, network, find)
        self._node_ports = NodePorts(installation, find)
        for row in store.rows(_SERVICES):
            self._addresses.note(row.place, row.parse())
            self._node_ports.note(row.place, row.parse())

    async def readdress(self) -> int:
        """Gives Services whose addresses are of another network new ones; how many.

        Before anybody reads them: an address of a Service never changes while somebody may know it.
        """
        commits = []
        for row in self._store.rows(_SERVICES):
            body = row.parse()
            if self._addresses.is_foreign(row.place, body):
                body["spec"]["clusterIP"] = ""
                if not self._addresses.assign(row.place, body, None):
                    new = row_of(body, self._store.next_version())
                    commits.append(self._store.submit(_SERVICES, "MODIFIED", new))
        for commit in commits:
            await commit
        if commits:
            log.info(
                "Services have new addresses: the network of pods has changed",
                extra={"count": len(commits), "range": str(self._network.range)},
            )
        return len(commits)

    def complete(self, kind: Kind, new: Object, old: Object | None, now: datetime) -> list[Problem]:
        """Completes a defaulted object in place; problems with what it asks of the server."""
        meta = new["metadata"]
        if kind.key == _SERVICES:
            place = (meta.get("namespace", ""), meta.get("name", ""))
            return [*self._addresses.assign(place, new, old), *self._node_ports.assign(place, new, old)]
        if kind.key in (ENDPOINTS, SLICES):
            return list(self._special_addresses(kind, new))
        if kind.key == _PODS and old is None:
            self._mount_account(kind, new)
        if kind.key == _DAEMON_SETS and old is not None:
            _count_templates(new, old)
        if kind.key == api_services.API_SERVICES:
            api_services.report(new, old, now)
        if kind.key == CRD_KEY and not any(crd_problems(new)):
            establish(new, old, now)
        return []

    def _special_addresses(self, kind: Kind, new: Object) -> Iterator[Problem]:
        """Loopback is this machine's, but for pods that share it, and the way to the API.

        What the controllers write is what pods have, also while those still have addresses of before.
        """
        meta, is_shared = new["metadata"], self._network.range.is_loopback
        is_ours = any(value in CONTROLLERS for value in (meta.get("labels") or {}).values())
        if is_ours or (is_shared and (meta.get("namespace"), meta.get("name")) == API):
            return iter(())
        return special_addresses(
            kind.key,
            new,
            lambda address: is_shared and address.version == 4 and address in ON_MACHINE,
            SHARED_HINT if is_shared else OWN_HINT,
        )

    def _mount_account(self, kind: Kind, pod: Object) -> None:
        """403 for a Pod whose ServiceAccount is not there."""
        meta, spec = pod["metadata"], pod["spec"]
        namespace, name = meta.get("namespace", ""), spec["serviceAccountName"]
        row = self._store.newest(_ACCOUNTS, (namespace, name))
        if row is None:
            raise forbidden(
                kind,
                meta.get("name", ""),
                f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found',
            )
        mount_account(spec, row.parse(), generated_name(PREFIX))

    def mark_terminating(self, kind: Kind, new: Object, old: Object, now: datetime) -> None:
        """Lets a definition that is being deleted say so."""
        if kind.key == CRD_KEY:
            establish(new, old, now)


def _count_templates(new: Object, old: Object) -> None:
    """How often the template has changed, whatever the writer says of it."""
    before = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "1")
    count = int(before) + int(not same(old["spec"]["template"], new["spec"]["template"]))
    notes = {**(new["metadata"].get("annotations") or {}), TEMPLATE_GENERATION: str(count)}
    new["metadata"]["annotations"] = notes


def _newest_service(store: Store, place: Place) -> Object | None:
    row = store.newest(_SERVICES, place)
    return row.parse() if row else None
