"""What an object asks for and does not get here, as sentences at its write: some fields, or all of it."""

from __future__ import annotations

from collections.abc import Callable

from tidegate.local.apiserver.honoured.conditions import no_node
from tidegate.local.apiserver.honoured.findings import findings
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.objects import Object
from tidegate.local.unhonoured import is_made_for_another


def warnings(
    kind: Kind, new: Object, old: Object | None = None, node: Callable[[], Object | None] = no_node
) -> list[str]:
    """One sentence for each thing that has no effect; no field anew that a write leaves as it is."""
    if told := without_effect(kind):
        return [] if _is_served(new) else [told]
    if is_made_for_another(new) or is_as_before(old, new):
        return []
    return [str(one) for one in findings(kind.key, new, node)]


def without_effect(kind: Kind) -> str:
    """What to say of a kind that is only stored; "" of others."""
    return _BY_KEY.get(kind.key, "")


def is_as_before(old: Object | None, new: Object) -> bool:
    return old is not None and _asked(old) == _asked(new)


def _asked(body: Object) -> Object:
    """What is wanted, however often."""
    return {name: value for name, value in (body.get("spec") or {}).items() if name != "replicas"}


_OWN_API = "external.metrics.k8s.io"


def _is_served(new: Object) -> bool:
    """Whether an APIService names the API that this server answers itself."""
    return (new.get("spec") or {}).get("group") == _OWN_API


_WEBHOOKS = "a {} has no effect here: nobody is asked about writes"
_BY_KEY = {
    "apiservices.apiregistration.k8s.io": "an APIService has no effect here: no other API server is asked",
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS.format(
        "ValidatingWebhookConfiguration"
    ),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS.format(
        "MutatingWebhookConfiguration"
    ),
    "ingresses.networking.k8s.io": (
        "an Ingress has no effect here: nothing serves its hosts; "
        "a Service of type NodePort is reached at 127.0.0.1"
    ),
    "networkpolicies.networking.k8s.io": (
        "a NetworkPolicy has no effect here: pods reach each other, and are reached, whatever it says"
    ),
    "storageclasses.storage.k8s.io": (
        "provisioner, parameters, mountOptions and volumeBindingMode of a StorageClass have no effect here: "
        "a claim that no PersistentVolume fits gets a folder of this machine"
    ),
    "priorityclasses.scheduling.k8s.io": ("a PriorityClass has no effect here: no pod gives way to another"),
    "limitranges": (
        "a LimitRange has no effect here: containers get no requests and limits by it, and none are refused"
    ),
    "resourcequotas": ("a ResourceQuota has no effect here: nothing is counted, and nothing is refused"),
}
