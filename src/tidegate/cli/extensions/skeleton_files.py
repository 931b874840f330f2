"""The files of a package that brings one trigger type, ready to be made one's own."""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from types import ModuleType

from tidegate.base.errors import Misconfigured
from tidegate.kit import API, pages

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MOST = 40

_FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "src/__module__/__init__.py": "init.py.txt",
    "src/__module__/trigger.py": "trigger.py.txt",
    "src/__module__/connection.py": "connection.py.txt",
    "tests/test___ident__.py": "test.py.txt",
}


def skeleton(trigger_type: str) -> dict[str, str]:
    """Texts by path. Misconfigured where the name cannot be a trigger type's."""
    if not _NAME.fullmatch(trigger_type) or len(trigger_type) > _MOST:
        raise Misconfigured(
            "make a trigger",
            answer=f'"{trigger_type}" is no name for one',
            next_step=f"use lower-case letters, digits and single dashes, at most {_MOST}, a letter first",
        )
    ident = trigger_type.replace("-", "_")
    words = {
        "__type__": trigger_type,
        "__ident__": ident,
        "__module__": f"tidegate_{ident}",
        "__Class__": "".join(part.capitalize() for part in trigger_type.split("-")),
        "__api__": API,
    }
    folder = files(__package__).joinpath("skeleton")
    texts = {
        _filled(path, words): _filled(folder.joinpath(name).read_text(), words)
        for path, name in _FILES.items()
    }
    module = words["__module__"]
    source = texts[f"src/{module}/trigger.py"]
    texts[f"docs/{trigger_type}.md"] = _page(f"{module}.trigger", source, trigger_type, words["__Class__"])
    return texts


def _page(module: str, source: str, trigger_type: str, name: str) -> str:
    """The page of what the skeleton declares: the module is made, and gone again."""
    made = ModuleType(module)
    # A declaration looks up its module by name.
    sys.modules[module] = made
    try:
        exec(compile(source, module, "exec"), vars(made))
        return pages.page(trigger_type, vars(made)[name], made.__doc__ or "")
    finally:
        del sys.modules[module]


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub("|".join(words), lambda found: words[found[0]], text)
