"""What is told of an exception that nobody foresaw: its class and its place, never its text.

The text may hold anything, a secret too; it goes to the log only.
"""

from __future__ import annotations

import sys

NEXT_STEP = "please report this defect"


def unexpected(error: BaseException) -> str:
    """Its class, and the innermost line that is not the standard library's: it says whose defect this is."""
    place, step = "", error.__traceback__
    while step is not None:
        module = step.tb_frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in sys.stdlib_module_names:
            place = f" in {module}, line {step.tb_lineno}"
        step = step.tb_next
    return f"unexpected {type(error).__name__}{place}"
