"""What `tidegate up` would find on this machine, without starting it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tidegate.cli.wiring.local.pod_network import Kind
from tidegate.local.nodes.foresight import Machine
from tidegate.local.nodes.images.program import ADDED, ImageMap
from tidegate.local.nodes.network.own_networks import missing
from tidegate.local.nodes.processes.machine_view import look


def this_machine(data_dir: Path, images: Path | None, network: Kind, runtime: str) -> Machine:
    """By the flags of `tidegate up`."""
    folder = data_dir / "node"
    table = ImageMap(folder / "images.yaml") if images is None else ImageMap(images, folder / ADDED)
    with tempfile.TemporaryDirectory(prefix="tidegate-") as scratch:
        view = look(Path(scratch), os.environ)
    refused = (view.why or "refused") if view.kind == "none" else ""
    is_shared = network == "shared" or (network == "auto" and bool(missing()))
    has_copies = view.kind in ("whole", "places")
    return Machine(table, refused=refused, is_shared=is_shared, has_copies=has_copies, runtime=runtime)
