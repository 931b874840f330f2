"""Validation of StorageClasses, PriorityClasses, LimitRanges and ResourceQuotas."""

from __future__ import annotations

from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.rules import (
    Problems,
    forbidden,
    one_of,
    quantity,
    required,
    wrong,
    wrongs,
)
from tidegate.local.objects import Object

# Above it are the classes of a cluster itself.
PRIORITY_MAX = 1_000_000_000
_LIMITED = ("Container", "PersistentVolumeClaim", "Pod")


def storage_class_problems(body: Object) -> Problems:
    if not body.get("provisioner"):
        yield required("provisioner")
    yield from one_of("reclaimPolicy", body["reclaimPolicy"], ("Delete", "Retain"))
    modes = ("Immediate", "WaitForFirstConsumer")
    yield from one_of("volumeBindingMode", body["volumeBindingMode"], modes)


def priority_class_problems(body: Object) -> Problems:
    name = body["metadata"].get("name") or ""
    if name.startswith("system-"):
        told = "priority class names with 'system-' prefix are reserved for system use only."
        yield forbidden("metadata.name", f"{told} error: {name} is not a known system priority class")
    elif body["value"] > PRIORITY_MAX:
        yield forbidden("value", f"maximum allowed value of a user defined priority is {PRIORITY_MAX}")
    yield from one_of("preemptionPolicy", body["preemptionPolicy"], ("PreemptLowerPriority", "Never"))


def limit_range_problems(body: Object) -> Problems:
    for index, item in enumerate(body["spec"]["limits"]):
        where = f"spec.limits[{index}]"
        kind = item.get("type") or ""
        bad = list(names.qualified(kind))
        yield from wrongs(f"{where}.type", kind, bad)
        if not bad and "/" not in kind and kind not in _LIMITED:
            yield wrong(f"{where}.type", kind, "must be a standard limit type or fully qualified")
        for field in ("default", "defaultRequest", "max", "min"):
            for name, amount in (item.get(field) or {}).items():
                yield from quantity(f"{where}.{field}[{name}]", amount)


def resource_quota_problems(body: Object) -> Problems:
    for name, amount in (body["spec"].get("hard") or {}).items():
        yield from quantity(f"spec.hard[{name}]", amount)
