"""Node ports of Services: where they are reached on the machine's own address, each one Service's."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from tidegate.base.problems import Problem
from tidegate.local.apiserver.storage.stored_object import Place
from tidegate.local.apiserver.validation.rules import duplicate, forbidden, wrong
from tidegate.local.objects import Object

PORTS = range(30_000, 32_768)
# What a Service keeps of an earlier type only while its type has a use for it.
_OF_TYPES = {
    "externalTrafficPolicy": ("NodePort", "LoadBalancer"),
    "allocateLoadBalancerNodePorts": ("LoadBalancer",),
}


class NodePorts:
    """Which Service has which port.

    A port is the same for the same Service in the same installation, where it is free. `find` is the
    newest state of a Service, None without one: a port is held by who has it there, so that a write that
    was refused, or only tried, holds nothing.
    """

    def __init__(self, installation: str, find: Callable[[Place], Object | None]) -> None:
        self._installation = installation
        self._find = find
        self._holders: dict[int, Place] = {}

    def note(self, place: Place, body: Object) -> None:
        """A stored Service keeps what it has."""
        self._holders.update(dict.fromkeys(_numbers(body), place))

    def assign(self, place: Place, body: Object, old: Object | None) -> list[Problem]:
        """Gives the Service's ports their node ports, or keeps those they have; problems with asked ones."""
        spec, before = body["spec"], (old or {}).get("spec") or {}
        _drop(spec, before)
        ports = spec.get("ports") or []
        if spec["type"] not in ("NodePort", "LoadBalancer"):
            why = f"may not be used when `type` is '{spec['type']}'"
            return [
                forbidden(f"spec.ports[{index}].nodePort", why)
                for index, port in enumerate(ports)
                if port.get("nodePort")
            ]
        _inherit(ports, before.get("ports") or [])
        problems = self._check(place, ports)
        if spec["type"] == "NodePort" or spec.get("allocateLoadBalancerNodePorts") is not False:
            for port in ports:
                if not port.get("nodePort"):
                    port["nodePort"] = self._free(place, ports, port)
        if not problems:
            self.note(place, body)
        return problems

    def _check(self, place: Place, ports: list[dict[str, Any]]) -> list[Problem]:
        problems = []
        seen: set[tuple[str, int]] = set()
        for index, port in enumerate(ports):
            where, number = f"spec.ports[{index}].nodePort", port.get("nodePort")
            if not number:
                continue
            if number not in PORTS:
                why = f"The range of valid ports is {PORTS.start}-{PORTS.stop - 1}"
                problems.append(wrong(where, number, f"provided port is not in the valid range. {why}"))
            elif self._is_taken(number, place):
                problems.append(wrong(where, number, "provided port is already allocated"))
            elif (port["protocol"], number) in seen:
                problems.append(duplicate(where, number))
            seen.add((port["protocol"], number))
        return problems

    def _is_taken(self, number: int, place: Place) -> bool:
        holder = self._holders.get(number)
        if holder is None or holder == place:
            return False
        found = self._find(holder)
        return found is not None and number in _numbers(found)

    def _free(self, place: Place, ports: list[dict[str, Any]], port: dict[str, Any]) -> int:
        own = {one.get("nodePort") for one in ports}
        name = "/".join((self._installation, *place, port["protocol"], str(port.get("port"))))
        start = zlib.crc32(name.encode()) % len(PORTS)
        for step in range(len(PORTS)):
            number = PORTS[(start + step) % len(PORTS)]
            if number not in own and not self._is_taken(number, place):
                return number
        return 0


def _drop(spec: dict[str, Any], before: dict[str, Any]) -> None:
    """Lets go of what the Service had by an earlier type, unless it was asked for anew."""
    for field, types in _OF_TYPES.items():
        if spec["type"] not in types and spec.get(field) == before.get(field):
            spec.pop(field, None)
    if spec["type"] not in ("NodePort", "LoadBalancer"):
        had = _numbers({"spec": before})
        for port in spec.get("ports") or ():
            if port.get("nodePort") in had:
                del port["nodePort"]


def _inherit(ports: list[dict[str, Any]], before: list[dict[str, Any]]) -> None:
    """A port that is silent about its node port keeps the one it had."""
    known = {(one.get("protocol"), one.get("port")): one.get("nodePort") for one in before}
    asked = {one.get("nodePort") for one in ports}
    for port in ports:
        number = known.get((port.get("protocol"), port.get("port")))
        if number and not port.get("nodePort") and number not in asked:
            port["nodePort"] = number


def _numbers(service: Object) -> set[int]:
    ports = (service.get("spec") or {}).get("ports") or ()
    return {int(port["nodePort"]) for port in ports if port.get("nodePort")}
