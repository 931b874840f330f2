"""What all triggers of an object say together: readings, then fallback, then formula.

`decide`, the HPA's question and the outlook read the same summary, so that they never disagree.
"""

from __future__ import annotations

from dataclasses import replace

from tidegate.api.scaledobject import ScaledObject
from tidegate.core.triggers import fallback, scaling_modifiers
from tidegate.core.triggers.fallback import SafetyNet
from tidegate.core.triggers.scaling_modifiers import Composite
from tidegate.core.triggers.state import Summary, interpret
from tidegate.core.values import Memory, Seen, TriggerView


def net_of(object: ScaledObject, memory: Memory) -> SafetyNet | None:
    """The object's fallback with what memory knows of earlier failures."""
    return fallback.net_of(object.spec, memory.failed_before)


def summary_of(
    object: ScaledObject,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    memory: Memory,
    composite: Composite | None,
) -> Summary:
    """What the triggers of a ScaledObject say together now."""
    net = net_of(object, memory)
    summary = interpret(triggers)
    if net is not None:
        sources = composite.sources if composite is not None else None
        summary = fallback.caught(net, triggers, summary, sources)
    if scaling_modifiers.modifiers_of(object.spec) is None:
        return summary
    return replace(summary, composed=scaling_modifiers.compose(composite, net, seen, triggers, summary))
