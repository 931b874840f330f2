"""JSON patch (RFC 6902) and merge patch (RFC 7386), and the door to all patch types. Pure."""

from __future__ import annotations

from typing import Any, Literal

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.patching.strategic_merge import BadPatch, strategic_merge
from tidegate.local.apiserver.validation.fields import show

PatchType = Literal["json", "merge", "strategic"]
OPERATIONS_MAX = 10_000


def patched(type: PatchType, key: str, document: dict[str, Any], patch: Any) -> Any:
    """`document` (which becomes ours) with the patch applied; `key` is the kind's storage key.

    400 for something that is no patch, 422 for one that does not fit the object.
    """
    try:
        if type == "json":
            return json_patch(document, patch)
        if not isinstance(patch, dict):
            raise BadPatch(f"a {type} patch must be an object, not {show(patch)}")
        if type == "merge":
            return merge_patch(document, patch)
        return strategic_merge(key, document, patch)
    except BadPatch as error:
        raise ApiError(400, "BadRequest", f"cannot read the patch: {error}") from error
    except Unfit as error:
        raise ApiError(422, "Invalid", f"the patch does not fit the object: {error}") from error


class Unfit(ValueError):
    """A well-formed patch that names what the object has not, or whose test fails."""


def merge_patch(document: Any, patch: Any) -> Any:
    """RFC 7386: maps merge, null removes, all else replaces. Parts of `document` may be shared."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(document: Any, operations: Any) -> Any:
    """RFC 6902, all or nothing: `document` is changed in place, and of no use after an error."""
    if not isinstance(operations, list):
        raise BadPatch(f"a JSON patch must be a list of operations, not {show(operations)}")
    if len(operations) > OPERATIONS_MAX:
        raise BadPatch(f"a JSON patch may have {OPERATIONS_MAX} operations, this one has {len(operations)}")
    for operation in operations:
        document = _apply(document, operation)
    return document


def _apply(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict):
        raise BadPatch(f"an operation is an object, not {show(operation)}")
    if not isinstance(operation.get("path"), str):
        raise Unfit(f"an operation needs op and path: {show(operation)}")
    op, path, value = operation.get("op"), _pointer(operation["path"]), operation.get("value")
    if op == "add":
        return _add(document, path, value)
    if op == "remove":
        return _remove(document, path)
    if op == "replace":
        return _replace(document, path, value)
    if op == "test":
        found = _find(document, path)
        if found != value or isinstance(found, bool) != isinstance(value, bool):
            raise Unfit(f"testing path {operation['path']} failed")
        return document
    if op in ("move", "copy"):
        return _transfer(document, operation, path)
    raise Unfit(f"unknown operation: {show(operation)}")


def _replace(document: Any, path: list[str], value: Any) -> Any:
    """As Kubernetes has it, and the RFC has not: a map gets a name that it had not."""
    if not path:
        return value
    if not isinstance(_find(document, path[:-1]), dict):
        document = _remove(document, path)
    return _add(document, path, value)


def _transfer(document: Any, operation: dict[str, Any], path: list[str]) -> Any:
    if not isinstance(operation.get("from"), str):
        raise BadPatch(f"operation {operation['op']} needs from: {show(operation)}")
    source = _pointer(operation["from"])
    value = _find(document, source)
    if operation["op"] == "copy":
        return _add(document, path, _copied(value))
    if path[: len(source)] == source:
        if path == source:
            return document
        raise Unfit(f"{operation['from']} cannot be moved into itself")
    return _add(_remove(document, source), path, value)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _pointer(text: str) -> list[str]:
    if text == "":
        return []
    if not text.startswith("/"):
        raise BadPatch(f"a path begins with '/': {show(text)}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _index(items: list[Any], token: str, path: list[str], *, may_append: bool) -> int:
    if token == "-" and may_append:
        return len(items)
    is_number = token.isascii() and token.isdigit() and (token == "0" or not token.startswith("0"))
    if not is_number or len(token) > 18 or int(token) > len(items) - (0 if may_append else 1):
        raise Unfit(f"there is no index {token} at /{'/'.join(path)}")
    return int(token)


def _find(document: Any, path: list[str]) -> Any:
    for token in path:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list):
            document = document[_index(document, token, path, may_append=False)]
        else:
            raise Unfit(f"there is no /{'/'.join(path)}")
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, token = _find(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[token] = value
    elif isinstance(parent, list):
        parent.insert(_index(parent, token, path, may_append=True), value)
    else:
        raise Unfit(f"/{'/'.join(path[:-1])} is neither a map nor a list")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise Unfit("the whole object cannot be removed")
    parent, token = _find(document, path[:-1]), path[-1]
    if isinstance(parent, dict) and token in parent:
        del parent[token]
    elif isinstance(parent, list):
        del parent[_index(parent, token, path, may_append=False)]
    else:
        raise Unfit(f"there is no /{'/'.join(path)}")
    return document
