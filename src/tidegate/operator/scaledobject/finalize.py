"""The end of a ScaledObject: what its target and its HPA are left as, before our finalizer goes.

It comes once. Afterwards the object may stay for somebody else's finalizer: then nothing is ours any more.
"""

from __future__ import annotations

from tidegate.api.scaledobject import ScaledObject
from tidegate.core.scaledobject.restore import restored_replicas
from tidegate.core.values import EmitEvent
from tidegate.operator.cluster.writer import REFUSED, Place, may_pass
from tidegate.operator.reconcile.steps import FINALIZER, Steps
from tidegate.operator.scaledobject.hpa import Hpas
from tidegate.operator.scaledobject.rivals import Rivals
from tidegate.operator.scaledobject.scale_target import Targets


class Finalizer:
    """Ends ScaledObjects."""

    def __init__(self, steps: Steps, targets: Targets, hpas: Hpas, rivals: Rivals) -> None:
        self.steps = steps
        self.targets = targets
        self.hpas = hpas
        self.rivals = rivals

    async def finalize(self, place: Place, object: ScaledObject) -> None:
        """Lets go of an object that is deleted. Raises what may pass: the finalizer stays until then."""
        if FINALIZER in object.metadata.finalizers:
            await self._leave(place, object)
        await self.steps.release(place, object)

    async def _leave(self, place: Place, object: ScaledObject) -> None:
        """The replica count from before us, where the manifest asks for it. What is refused for good is told
        and does not keep the object, as in KEDA.

        The HPA goes first: it must not change the count that was just restored. It goes too where somebody
        else keeps the object: nobody answers it any more. Else it goes with its owner.
        """
        # What another ScaledObject scales is not ours to restore.
        original = restored_replicas(object) if self.rivals.is_alone(object) else None
        is_last = set(object.metadata.finalizers) == {FINALIZER}
        if original is None and is_last:
            return
        try:
            await self.hpas.delete(object)
            if original is not None:
                resource = await self.targets.resource(object)
                name = object.spec.scale_target_ref.name
                await self.steps.writer.replicas(resource, place.namespace, name, original)
        except REFUSED as error:
            passes = may_pass(error)
            if original is not None:
                state = "are not restored yet" if passes else "were not restored"
                text = f"the original {original} replicas {state}: {error}"
                await self.steps.writer.event(place, EmitEvent("Warning", "ScaledObjectUpdateFailed", text))
            if passes:
                raise
