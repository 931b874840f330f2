"""Tubes of beanstalkd as sources of claimed work."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.kit.systems.beanstalkd import BeanstalkdServer


@dataclass(frozen=True, slots=True)
class TubeSource:
    """The tube; its dead letters are buried in it."""

    server: BeanstalkdServer
    tube: str

    def label(self) -> str:
        return f"tube {self.tube} of {self.server.label()}"

    def aside(self) -> str:
        return f"tube {self.tube}, buried"
