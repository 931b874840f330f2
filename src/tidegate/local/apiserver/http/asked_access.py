"""What a request asks for, in the words of RBAC: made of the path that is answered, never of another.

Sources: Kubernetes documentation, "Authorization: Determine the request verb"; its RequestInfo.
"""

from __future__ import annotations

from aiohttp import web

from tidegate.base.selectors import parse_field_selector
from tidegate.local.apiserver.authorization.access import Access
from tidegate.local.apiserver.paths import Path, flag

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_OF_COLLECTIONS = {"get": "list", "delete": "deletecollection"}
_NAMES = ("list", "watch", "deletecollection")


def resource_access(request: web.Request, path: Path) -> Access:
    """Of a request on a resource."""
    method = request.method
    verb = _VERBS.get(method, method.lower())
    if verb == "get" and not path.subresource and flag(request.query, "watch"):
        verb = "watch"
    elif not path.name:
        verb = _OF_COLLECTIONS.get(verb, verb)
    name = path.name
    if not name and verb in _NAMES:
        name = _selected_name(request.query.get("fieldSelector", ""))
    # A namespace lies in itself: a Role in it may allow to read it.
    is_namespace = (path.group, path.plural) == ("", "namespaces")
    namespace = path.name if is_namespace else path.namespace
    return Access(verb, path.group, path.plural, path.subresource, namespace, name)


def path_access(request: web.Request) -> Access:
    """Of a request on a path that is no resource's."""
    return Access(request.method.lower(), path=request.path)


def _selected_name(selector: str) -> str:
    """The one name that a list is about, "" when it may be about several."""
    try:
        terms = parse_field_selector(selector).terms
    except ValueError:
        return ""  # refused where it is read
    names = [value for path, is_equal, value in terms if path == "metadata.name" and is_equal]
    return names[0] if names else ""
