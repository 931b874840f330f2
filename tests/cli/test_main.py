"""What a user sees of an error that ends a command."""

from __future__ import annotations

import pytest

from tidegate.base.errors import Misconfigured, Unreachable
from tidegate.cli.main import told

PORT = Misconfigured("listen", on="port 1", answer="in use", next_step="take another")
AWAY = Unreachable("connect", answer="refused")


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (PORT, ["cannot listen on port 1: in use; take another"]),
        (ExceptionGroup("", [PORT]), ["cannot listen on port 1: in use; take another"]),
        (
            ExceptionGroup("", [ExceptionGroup("", [PORT, AWAY]), AWAY]),
            ["cannot listen on port 1: in use; take another", "cannot connect: refused"],
        ),
        (PermissionError(13, "Permission denied", "/x/token"), ["/x/token: permission denied"]),
    ],
)
def test_errors_are_lines_without_a_traceback(error: Exception, lines: list[str]) -> None:
    assert told(error) == lines


@pytest.mark.parametrize("defect", [KeyError("x"), ExceptionGroup("", [PORT, KeyError("x")])])
def test_a_defect_keeps_its_traceback(defect: Exception) -> None:
    assert told(defect) is None
