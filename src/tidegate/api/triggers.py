"""An entry of `spec.triggers`, the same in a ScaledObject and a ScaledJob."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tidegate.api.wire import Required, Wire


class AuthenticationRef(Wire, frozen=True):
    name: Annotated[
        str, Meta(description="Name of the TriggerAuthentication or ClusterTriggerAuthentication.")
    ]
    kind: Annotated[
        Literal["TriggerAuthentication", "ClusterTriggerAuthentication"] | None,
        Meta(description="TriggerAuthentication, if not set."),
    ] = None

    @property
    def is_cluster(self) -> bool:
        return self.kind == "ClusterTriggerAuthentication"


class Trigger(Wire, frozen=True):
    type: Annotated[Required, Meta(description="Type of the trigger, such as redis or cron.")]
    metadata: Annotated[
        dict[str, str],
        Meta(description="Parameters of the trigger. Numbers and truth values must be quoted."),
    ]
    name: Annotated[
        str | None, Meta(description="Name of the trigger, unique in its object; formulas refer to it.")
    ] = None
    authentication_ref: Annotated[
        AuthenticationRef | None, Meta(description="Where credentials and other parameters come from.")
    ] = None
    metric_type: Annotated[
        str | None,
        Meta(description="AverageValue (if not set), Value, or Utilization for cpu and memory."),
    ] = None
    use_cached_metrics: Annotated[
        bool | None, Meta(description="Answer the HPA with the value of the last poll.")
    ] = None
