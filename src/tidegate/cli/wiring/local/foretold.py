"""What the node would not honour or could not run, as an admission: told when it is written."""

from __future__ import annotations

from tidegate.kube.resource import NODES
from tidegate.local.apiserver.honoured.findings import findings
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.writing.admission import Operation, Reviewed
from tidegate.local.apiserver.writing.unhonoured import is_as_before
from tidegate.local.nodes.foresight import foresee
from tidegate.local.nodes.node import Node
from tidegate.local.objects import NODE, Object, Objects
from tidegate.local.unhonoured import is_made_for_another


class Foretold:
    """Nothing is told before there is a node that knows its machine."""

    def __init__(self) -> None:
        self._node: Node | None = None

    def __call__(self, operation: Operation, kind: Kind, new: Object | None, old: Object | None) -> Reviewed:
        machine = None if self._node is None else self._node.machine
        if machine is None or new is None or is_made_for_another(new) or is_as_before(old, new):
            return (), ()
        return (), [str(one) for one in foresee(kind.key, new, machine, is_idle=False)]

    def join(self, node: Node, objects: Objects) -> None:
        """From now on the node is asked, and says itself what of its pods nobody honours."""
        self._node = node

        def stored_only(pod: Object) -> list[str]:
            return [str(one) for one in findings("pods", pod, lambda: objects.get(NODES, "", NODE))]

        node.tell_of(stored_only)
