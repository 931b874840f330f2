"""Validation of where a pod may run, and of the names that it has and finds. Pure."""

from __future__ import annotations

from typing import Any

from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.rules import Problems, labels, one_of, required, wrong, wrongs

_OPERATORS = ("Equal", "Exists")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
NAME_SERVERS = 3


def placement_problems(path: str, spec: dict[str, Any]) -> Problems:
    """Node selector and tolerations."""
    yield from labels(f"{path}.nodeSelector", spec.get("nodeSelector"))
    for index, one in enumerate(spec.get("tolerations") or ()):
        where = f"{path}.tolerations[{index}]"
        key, operator, value, effect = (
            one.get(name) or "" for name in ("key", "operator", "value", "effect")
        )
        if key:
            yield from wrongs(f"{where}.key", key, names.qualified(key))
        elif operator != "Exists":
            yield wrong(f"{where}.operator", operator, "operator must be Exists when `key` is empty")
        if one.get("tolerationSeconds") is not None and effect != "NoExecute":
            yield wrong(
                f"{where}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"
            )
        if operator in ("Equal", ""):
            yield from wrongs(f"{where}.operator", value, list(names.value(value))[:1])
        elif operator == "Exists" and value:
            yield wrong(f"{where}.operator", value, "value must be empty when `operator` is 'Exists'")
        yield from one_of(f"{where}.operator", operator or "Equal", _OPERATORS)
        if effect:
            yield from one_of(f"{where}.effect", effect, _EFFECTS)


def name_problems(path: str, spec: dict[str, Any]) -> Problems:
    """Names that the pod has (`hostname`), is told (`hostAliases`), and asks (`dnsConfig`)."""
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        where, address = f"{path}.hostAliases[{index}]", alias.get("ip") or ""
        yield from wrongs(f"{where}.ip", address, names.address(address))
        for number, name in enumerate(alias.get("hostnames") or ()):
            yield from wrongs(f"{where}.hostnames[{number}]", name, names.subdomain(name))
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            yield from wrongs(f"{path}.{field}", spec[field], names.label(spec[field]))
    config = spec.get("dnsConfig") or {}
    servers = config.get("nameservers") or []
    if spec.get("dnsPolicy") == "None" and not servers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{path}.dnsConfig{'.nameservers' if config else ''}", why)
    if len(servers) > NAME_SERVERS:
        why = f"must not have more than {NAME_SERVERS} nameservers"
        yield wrong(f"{path}.dnsConfig.nameservers", servers, why)
    for index, server in enumerate(servers):
        yield from wrongs(f"{path}.dnsConfig.nameservers[{index}]", server, names.address(server))
    for index, domain in enumerate(config.get("searches") or ()):
        yield from wrongs(f"{path}.dnsConfig.searches[{index}]", domain, names.search(domain))
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield required(f"{path}.dnsConfig.options[{index}]", "must not be empty")
