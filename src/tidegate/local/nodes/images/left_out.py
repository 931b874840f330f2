"""Commands of a Dockerfile's RUN that mean nothing, or something else, to a process of this machine. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

_INSTALLERS = {
    "apt-get": "install",
    "apt": "install",
    "apk": "add",
    "dnf": "install",
    "microdnf": "install",
    "yum": "install",
}
_WITH_A_VALUE = ("-t", "--virtual", "--repository", "-X", "-o", "-c")
_USERS = ("useradd", "adduser", "groupadd", "addgroup", "usermod", "chown", "chgrp")
_CACHES = ("/var/lib/apt/lists", "/var/cache", "/tmp", "/var/tmp", "/root/.cache", "/etc/apt")


def left_out(words: Sequence[str]) -> str | None:
    """What is told of this command instead of running it, "" for nothing. None: it is not one of these."""
    name, rest = posixpath.basename(words[0]) if words else "", list(words[1:])
    if name in _INSTALLERS:
        packages = _packages(rest, _INSTALLERS[name])
        return f"installs nothing here: see that this machine has {' '.join(packages)}" if packages else ""
    if name in _USERS:
        return "has no effect: the container runs as its securityContext says, else as Tidegate does"
    if name == "set" and rest and all(word.startswith("-") or word == "pipefail" for word in rest):
        return ""
    if name == "rm" and _is_of_caches(word for word in rest if not word.startswith("-")):
        return ""
    return None


def _packages(words: Sequence[str], verb: str) -> list[str]:
    """What would be installed; none for other verbs (update, clean)."""
    if verb not in words:
        return []
    found, is_value = [], False
    for word in words:
        if not is_value and not word.startswith("-") and word != verb:
            found.append(word)
        is_value = not is_value and word in _WITH_A_VALUE
    return found


def _is_of_caches(places: Iterable[str]) -> bool:
    return all(
        any(f"{posixpath.normpath(place)}/".startswith(f"{one}/") for one in _CACHES) for place in places
    )
