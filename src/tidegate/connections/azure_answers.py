"""What answers of Azure's monitoring have in common: JSON, and the code of a refusal."""

from __future__ import annotations

import re
from typing import Any

from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unreachable
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpRequest
from tidegate.kit.systems.kusto import Table

_CODE = re.compile(r"[A-Za-z]{1,60}")


def document_of(response: Response, request: HttpRequest) -> Any:
    """The body of a good answer. Malformed where it is no JSON."""
    try:
        return read_json(response.body)
    except Unpicked as error:
        raise failures.unreadable(request, str(error), response.body) from None


def refusal(response: Response, request: HttpRequest, role: str) -> TidegateError:
    """What a bad status means; of the body its code alone is told. `role` is what gives the right to ask."""
    error = failures.refusal(response, request, f"give the identity {role}" if response.status == 403 else "")
    try:
        body = read_json(response.body)
    except Unpicked:
        body = None
    code = code_of(body)
    if response.status in (400, 404) and code:
        made = told(request, f"{error.answer} ({code})")
        made.excerpt = error.excerpt
        return made
    if isinstance(error, Denied):
        # Who is not let in is told nothing of use, and some answers repeat what was shown to them.
        answer = f"{error.answer} ({code})" if code else error.answer
        return type(error)(error.attempted, on=error.on, answer=answer, next_step=error.next_step)
    return error


def member(status: int, body: Any, request: HttpRequest, role: str) -> TidegateError:
    """The same, of one member of a batch."""
    code = code_of(body)
    answer = failures.phrase(status) + (f" ({code})" if code else "")
    if status == 429 or status >= 500:
        return Unreachable(request.title(), on=request.server.label(), answer=answer)
    if status in (401, 403):
        kind = failures.Unauthorized if status == 401 else Denied
        return kind(
            request.title(), on=request.server.label(), answer=answer, next_step=f"give the identity {role}"
        )
    return told(request, answer)


def told(request: HttpRequest, answer: str) -> TidegateError:
    """The trigger asks for what is not there, or not in this way."""
    step = "check the trigger's parameters, and what the identity may see"
    return Misconfigured(request.title(), on=request.server.label(), answer=answer, next_step=step)


def code_of(body: Any) -> str:
    """The innermost code of an error document, "" without one: a word of Azure's, never a text."""
    error = body.get("error", body) if isinstance(body, dict) else None
    found = ""
    for _ in range(5):
        if not isinstance(error, dict):
            break
        code = error.get("code")
        found = code if isinstance(code, str) and _CODE.fullmatch(code) else found
        error = error.get("innererror")
    return found


def tables_of(found: Any, request: HttpRequest, names: tuple[str, str, str]) -> tuple[Table, ...]:
    """Tables as Kusto writes them; `names` are those of the columns, a column's type, the rows."""
    if not isinstance(found, list):
        raise failures.unreadable(request, "the answer holds no tables")
    columns, kind, rows = names
    made = []
    for one in found:
        listed = one.get(columns) if isinstance(one, dict) else None
        if not isinstance(listed, list) or not isinstance(one.get(rows), list):
            raise failures.unreadable(request, "a table of the answer has no columns or no rows")
        types = [column.get(kind) if isinstance(column, dict) else None for column in listed]
        made.append(Table(tuple(f"{name}" for name in types), tuple(one[rows])))
    return tuple(made)
