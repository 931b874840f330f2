"""The whole picture of an object's triggers: readings, then fallback, then formula.

`decide`, the HPA's question and the outlook look at the same picture, so that they never disagree.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.api.scaledobject import ScaledObject
from tidegate.core.triggers import fallback, scaling_modifiers
from tidegate.core.triggers.fallback import Net
from tidegate.core.triggers.scaling_modifiers import Composite
from tidegate.core.triggers.state import Picture, interpret
from tidegate.core.values import Memory, Seen, TriggerView


def net_of(object: ScaledObject, memory: Memory) -> Net | None:
    """The object's fallback with what memory knows of earlier failures."""
    return fallback.net_of(object.spec, memory.failed_before)


def picture_of(
    object: ScaledObject,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    memory: Memory,
    composite: Composite | None,
) -> Picture:
    """What the triggers of a ScaledObject say together now."""
    net = net_of(object, memory)
    picture = interpret(triggers)
    if net is not None:
        sources = composite.sources if composite is not None else None
        picture = fallback.caught(net, triggers, picture, sources)
    if scaling_modifiers.modifiers_of(object.spec) is None:
        return picture
    return replace(picture, composed=scaling_modifiers.compose(composite, net, seen, triggers, picture))
