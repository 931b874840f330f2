"""Validation of ConfigMaps and Secrets: their keys, and what a type of Secret needs. Pure."""

from __future__ import annotations

import json

from tidegate.base.bytetext import to_bytes
from tidegate.base.problems import Problem
from tidegate.local.apiserver.validation.rules import Problems, content_keys, content_size, required, wrong
from tidegate.local.objects import Object

_TYPES = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}
_LOGIN = ("username", "password")
_ACCOUNT = "kubernetes.io/service-account.name"
_HIDDEN = "<secret contents redacted>"


def secret_problems(body: Object) -> Problems:
    account = (body["metadata"].get("annotations") or {}).get(_ACCOUNT)
    if body.get("type") == "kubernetes.io/service-account-token" and not account:
        yield required(f"metadata.annotations[{_ACCOUNT}]")
    content = body.get("data") or {}
    yield from content_keys("data", content)
    yield from content_size(map(_decoded_size, content.values()))
    kind = body.get("type", "")
    if kind == "kubernetes.io/basic-auth" and not any(name in content for name in _LOGIN):
        yield from (required(f"data[{name}]") for name in _LOGIN)
    for name in _TYPES.get(kind, ()):
        if name not in content:
            yield required(f"data[{name}]")
        elif name.startswith(".") and not _is_json(content[name]):
            # What it says is not repeated, nor where it stops being JSON.
            yield Problem(f"data[{name}]", f'Invalid value: "{_HIDDEN}": is not JSON')


def config_map_problems(body: Object) -> Problems:
    plain, binary = body.get("data") or {}, body.get("binaryData") or {}
    for key in plain:
        yield from content_keys("data", {key: None})
        if key in binary:
            yield wrong(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from content_keys("binaryData", binary)
    yield from content_size(
        [*(len(text.encode()) for text in plain.values()), *map(_decoded_size, binary.values())]
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(to_bytes(text))
    except ValueError:
        return False
    return True


def _decoded_size(text: str) -> int:
    """Bytes in well-formed base64."""
    return len(text) // 4 * 3 - text.count("=", -2)
