"""Validation of what is done to a container from outside: its probes and hooks. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from tidegate.local.apiserver.validation.rules import (
    Problems,
    at_least,
    forbidden,
    one_of,
    port_or_name,
    required,
    wrong,
)

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
# In the order in which the API server looks at them.
ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_ACTIONS = ("exec", "httpGet", "tcpSocket", "sleep")
HOOKS = ("postStart", "preStop")
ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_HEADER = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")


def action_problems(path: str, container: dict[str, Any], *, grace_s: int, is_init: bool) -> Problems:
    """Of one container; `is_init` is one that runs to its end before the others start."""
    lifecycle = container.get("lifecycle")
    if is_init:
        for name in ("lifecycle", *PROBES):
            if container.get(name):
                yield forbidden(f"{path}.{name}", ONLY_SIDECARS)
        return
    for name in PROBES:
        if name in container:
            yield from _probe(f"{path}.{name}", name, container[name])
    for name in HOOKS:
        hook = (lifecycle or {}).get(name)
        if isinstance(hook, dict):
            where = f"{path}.lifecycle.{name}"
            yield from _action(where, hook, HOOK_ACTIONS)
            yield from _sleep(f"{where}.sleep.seconds", hook.get("sleep"), grace_s)


def _probe(path: str, kind: str, probe: dict[str, Any]) -> Problems:
    yield from _action(path, probe, ACTIONS)
    for field, minimum in (
        ("initialDelaySeconds", 0),
        ("timeoutSeconds", 0),
        ("periodSeconds", 0),
        ("successThreshold", 0),
        ("failureThreshold", 0),
    ):
        yield from at_least(f"{path}.{field}", probe.get(field), minimum)
    where, grace_s = f"{path}.terminationGracePeriodSeconds", probe.get("terminationGracePeriodSeconds")
    if kind == "readinessProbe":
        if grace_s is not None:
            yield wrong(where, grace_s, "must not be set for readinessProbes")
        return
    if grace_s is not None and grace_s < 1:
        yield wrong(where, grace_s, "must be greater than 0")
    if probe.get("successThreshold", 1) > 1:
        yield wrong(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _action(path: str, action: dict[str, Any], known: Collection[str]) -> Problems:
    given = [one for one in known if one in action]
    if not given:
        yield required(path, "must specify a handler type")
    for other in given[1:]:
        yield forbidden(f"{path}.{other}", "may not specify more than 1 handler type")
    action = {one: action[one] for one in given[:1]}
    for field in ("httpGet", "tcpSocket"):
        if field in action:
            yield from port_or_name(f"{path}.{field}.port", action[field].get("port"))
    if "httpGet" in action:
        yield from _http(f"{path}.httpGet", action["httpGet"])
    if "grpc" in action:
        number = action["grpc"].get("port")
        if not isinstance(number, int) or not 1 <= number <= 65_535:
            yield wrong(f"{path}.grpc.port", number, "must be between 1 and 65535, inclusive")
    if "exec" in action and not action["exec"].get("command"):
        yield required(f"{path}.exec.command")


def _http(path: str, wanted: dict[str, Any]) -> Problems:
    yield from one_of(f"{path}.scheme", wanted.get("scheme"), ("HTTP", "HTTPS"))
    for index, header in enumerate(wanted.get("httpHeaders") or ()):
        name = header.get("name") or ""
        if not _HEADER.fullmatch(name):
            yield wrong(f"{path}.httpHeaders[{index}].name", name, "is not the name of an HTTP header")


def _sleep(path: str, wanted: dict[str, Any] | None, grace_s: int) -> Problems:
    if wanted is None:
        return
    seconds = wanted.get("seconds")
    if seconds is None or not 0 <= seconds <= grace_s:
        told = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
        yield wrong(path, seconds, told)
