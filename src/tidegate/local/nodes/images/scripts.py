"""Which file of its image a command line needs, where only the command is known of the image. It only looks.

`python manage.py migrate` runs on any machine with a Python, and finds no `manage.py` there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

INTERPRETERS = re.compile(r"(python|pypy|ruby|perl|php|node|lua|java|(ba|da|z|k|a)?sh)[\d.]*")
SCRIPT = re.compile(r"[^\s$]+\.(py|pyz|rb|pl|php|[mc]?js|lua|jar|sh)")
# What follows is no file.
INLINE = ("-c", "-m", "-e", "-r", "-s")


def lacking(words: Sequence[str], working_dir: str, mounts: Iterable[str]) -> str:
    """The script that an interpreter is given and that is neither here nor may be in a mount; "" for none."""
    program, *rest = words or ("",)
    if not INTERPRETERS.fullmatch(program.rpartition("/")[2]):
        return ""
    for word in rest:
        if word in INLINE:
            return ""
        if word.startswith("-"):
            continue
        place = os.path.normpath(os.path.join(working_dir or "/", word))
        is_there = os.path.exists(place) or any(is_below(place, one) for one in mounts)
        return word if SCRIPT.fullmatch(word) and not is_there else ""
    return ""


def is_below(place: str, folder: str) -> bool:
    return bool(folder) and Path(place).is_relative_to(folder)


def told_of(script: str) -> str:
    """What is said of the image, after its name."""
    return f'is not known here: its command runs with this machine\'s files, and "{script}" is not among them'


def way_out(name: str) -> str:
    return f"tidegate images add {name} --dockerfile Dockerfile, or a volume with its files"
