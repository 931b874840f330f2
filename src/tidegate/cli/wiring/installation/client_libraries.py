"""Which systems cannot be asked for want of their client library: the extras of this installation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata

from tidegate.connections.pool import systems

_REQUIREMENT = re.compile(r"""\s*([A-Za-z0-9._-]+).*;.*extra\s*==\s*["']([^"']+)["']""")


def missing_libraries() -> Mapping[str, tuple[str, ...]]:
    """By the extra of a system, the packages that are not installed."""
    return missing(metadata.requires("tidegate") or (), systems(), _is_installed)


def missing(
    requirements: Iterable[str], extras: Iterable[str], is_installed: Callable[[str], bool]
) -> Mapping[str, tuple[str, ...]]:
    """The same of these requirements, as the metadata of a package lists them."""
    wanted, found = frozenset(extras), dict[str, tuple[str, ...]]()
    for one in requirements:
        read = _REQUIREMENT.match(one)
        if read is not None and read[2] in wanted and not is_installed(read[1]):
            found[read[2]] = (*found.get(read[2], ()), read[1])
    return found


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
