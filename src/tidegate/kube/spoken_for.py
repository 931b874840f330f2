"""Whom a front proxy speaks for: the headers in which the API server names its caller to us.

They count only from who is known to be that proxy, which is for the caller of this module to confirm.
Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from multidict import MultiMapping

from tidegate.kube.reviews import Caller


@dataclass(frozen=True, slots=True)
class ProxyHeaders:
    """The names of the headers; of several for one thing the first that is there counts (groups: all)."""

    user: tuple[str, ...] = ("X-Remote-User",)
    group: tuple[str, ...] = ("X-Remote-Group",)
    extra: tuple[str, ...] = ("X-Remote-Extra-",)
    uid: tuple[str, ...] = ("X-Remote-Uid",)


DEFAULT_HEADERS = ProxyHeaders()


def spoken_for(headers: MultiMapping[str], names: ProxyHeaders) -> Caller | None:
    """The caller that the headers name; None where they name nobody."""
    user = _first(headers, names.user)
    if not user:
        return None
    groups = tuple(group for name in names.group for group in headers.getall(name, ()))
    extra: dict[str, tuple[str, ...]] = {}
    for prefix in names.extra:
        for name, value in headers.items():
            if name.lower().startswith(prefix.lower()):
                key = unquote(name[len(prefix) :].lower())
                extra[key] = (*extra.get(key, ()), value)
    return Caller(user, groups, _first(headers, names.uid), extra)


def naming(caller: Caller) -> list[tuple[str, str]]:
    """The headers that name this caller."""
    headers = [("X-Remote-User", caller.name)]
    headers += [("X-Remote-Group", group) for group in caller.groups]
    headers += [("X-Remote-Uid", caller.uid)] if caller.uid else []
    for key, values in caller.extra.items():
        headers += [(f"X-Remote-Extra-{quote(key, safe='')}", value) for value in values]
    return headers


def _first(headers: Mapping[str, str], names: Iterable[str]) -> str:
    return next((headers[name] for name in names if headers.get(name)), "")
