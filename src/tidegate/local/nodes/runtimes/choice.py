"""Which runtime a pod has: the one that its annotation names, or that of the node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.local.nodes.processes.process import Sweeper
from tidegate.local.nodes.runtimes.dialect import DIALECTS
from tidegate.local.nodes.runtimes.engine import Engine
from tidegate.local.nodes.runtimes.of_engine import Engines
from tidegate.local.nodes.runtimes.of_processes import Processes
from tidegate.local.nodes.runtimes.port import PROCESS, Runtime
from tidegate.local.unhonoured import RUNTIME_ANNOTATION
from tidegate.runtime.clock import Clock


class Runtimes:
    """Those that there are, by name. `folder` is the node's; `default` is for pods that ask for none.

    `<folder>/engines/<name>` says that the engine has had containers of ours: only then is it asked for them.
    """

    def __init__(
        self,
        sweeper: Sweeper,
        clock: Clock,
        folder: Path,
        node_id: str,
        environment: Mapping[str, str],
        default: str = PROCESS,
    ) -> None:
        self.default = default
        self._processes = Processes(sweeper)
        self._folder = folder / "engines"
        self._engines = {
            name: Engines(Engine(dialect, environment, node_id), sweeper, clock, folder / "pods")
            for name, dialect in DIALECTS.items()
        }

    def of(self, name: str) -> Runtime:
        """The one of an instance, by its record; "" was written before there were others."""
        return self._engines.get(name, self._processes)

    def engine_of(self, pod: Mapping[str, Any]) -> Engines | None:
        """None for a pod whose containers are processes."""
        named = (pod["metadata"].get("annotations") or {}).get(RUNTIME_ANNOTATION)
        return self._engines.get(self.default if named is None else str(named))

    @property
    def engine(self) -> Engines | None:
        """Of pods that ask for none; None: their containers are processes."""
        return self._engines.get(self.default)

    @property
    def told(self) -> str:
        """As the node's status names it."""
        return "processes" if self.engine is None else self.default

    def joins(self, pod: Mapping[str, Any]) -> bool:
        """Whether the pod's containers can be in a network of its own."""
        engine = self.engine_of(pod)
        return engine is None or engine.joins

    def note_use(self, engine: Engines, pod: Path) -> None:
        """Before the engine gets the first container, of all and of this pod."""
        for place in (self._folder, pod):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / engine.name).touch()
        (pod / f".{engine.name}").touch()

    def used(self) -> list[Engines]:
        """Engines that may have containers of this directory."""
        return [one for name, one in self._engines.items() if (self._folder / name).exists()]

    def used_by(self, pod: Path) -> list[Runtime]:
        """Those that may have run something of the pod with this folder: processes, in any case."""
        engines = [one for name, one in self._engines.items() if (pod / f".{name}").exists()]
        return [*engines, self._processes]
