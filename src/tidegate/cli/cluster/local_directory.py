"""Where `tidegate up` keeps its state, so that the other commands find its kubeconfig."""

from __future__ import annotations

import os
from pathlib import Path


def default_directory() -> Path:
    """Where the state lives: under the user's state directory."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "tidegate"
