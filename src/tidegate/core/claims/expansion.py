"""What Kubernetes puts in place of `$(NAME)`, and how a stranger's text is kept out of it.

Source: Kubernetes, "Define dependent environment variables" and "Define a command and arguments for a
container": `$(NAME)` is replaced in command, args and the values of variables, `$$` stands for one `$`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.base.problems import Problem

Object = dict[str, Any]

TASK = "KEDA_TASK_"
DATA = f"{TASK}DATA"

_ADVICE = (
    "puts a message's text into what a shell runs; let the shell read it: "
    '"$KEDA_TASK_DATA" in double quotes, or read the variable in your program'
)
_REFERENCE = re.compile(r"(\$+)\(([^()$]*)\)")


def doubled(text: str) -> str:
    """`text` so that Kubernetes hands it on as it is: data, never a reference."""
    return text.replace("$", "$$")


def references(text: str) -> Iterator[str]:
    """The names that Kubernetes would replace in `text`; `$$(NAME)` is none."""
    for dollars, name in _REFERENCE.findall(text):
        if len(dollars) % 2:
            yield name


def mentions(template: Any) -> bool:
    """Whether any text of a pod template names the variable that carries a message."""
    if isinstance(template, str):
        return DATA in template
    if isinstance(template, Mapping):
        return any(mentions(one) for one in (*template.keys(), *template.values()))
    return isinstance(template, list | tuple) and any(mentions(one) for one in template)


def expansion_problems(
    template: Object | None, path: str = "spec.jobTargetRef.template"
) -> Iterator[Problem]:
    """Each place of command and args where Kubernetes would put a message's text; also by way of another
    variable that takes it over.
    """
    spec = _object((template or {}).get("spec"))
    for group in ("initContainers", "containers"):
        for number, container in enumerate(_list(spec.get(group))):
            where = f"{path}.spec.{group}[{number}]"
            tainted = _tainted(container)
            for field in ("command", "args"):
                for index, text in enumerate(_list(container.get(field), str)):
                    for name in references(text):
                        if name.startswith(TASK) or name in tainted:
                            yield Problem(f"{where}.{field}[{index}]", f'"$({name})" {_ADVICE}')


def _tainted(container: Object) -> set[str]:
    """The variables whose value has a message's text in it. Each sees those before it."""
    found: set[str] = set()
    for one in _list(container.get("env")):
        name, value = str(one.get("name")), one.get("value")
        if isinstance(value, str) and any(
            other.startswith(TASK) or other in found for other in references(value)
        ):
            found.add(name)
        else:
            found.discard(name)
    return found


def _object(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: Any, kind: type = dict) -> list[Any]:
    return [one for one in value if isinstance(one, kind)] if isinstance(value, list) else []
