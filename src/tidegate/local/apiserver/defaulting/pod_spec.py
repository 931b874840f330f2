"""Defaults of a pod specification, wherever it stands (Pods and templates). In place, pure."""

from __future__ import annotations

from typing import Any

_MODE = 0o644
TOKEN_S = 3600
# What the cluster adds to what a Pod tolerates, so that a lost node does not take it at once.
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOLERATED_S = 300
_MODED_VOLUMES = ("configMap", "secret", "projected", "downwardAPI")
# Keys of a volume that say nothing about where its content comes from.
_NAME_ONLY = {"name"}


def fill(part: dict[str, Any], name: str, value: Any) -> None:
    """For fields whose empty text or zero is as good as silence, as templates often leave them."""
    if not part.get(name):
        part[name] = value


def pod_spec(spec: dict[str, Any]) -> None:
    """What Pods and templates have in common."""
    fill(spec, "restartPolicy", "Always")
    fill(spec, "dnsPolicy", "ClusterFirst")
    fill(spec, "schedulerName", "default-scheduler")
    if spec.setdefault("terminationGracePeriodSeconds", 30) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    spec.setdefault("securityContext", {})
    # The old name of the field says what the new one does.
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for volume in spec.get("volumes") or ():
        _volume(volume)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        _container(container)


def pod_only(spec: dict[str, Any]) -> None:
    """What is filled into Pods, but not into the templates they are made from."""
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    _tolerate(spec)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        resources = container["resources"]
        for name, amount in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, amount)


def _tolerate(spec: dict[str, Any]) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for key in _TOLERATED:
        if not any(one.get("key") in ("", None, key) and one.get("effect") in ("", None, "NoExecute")
                   for one in tolerations):  # fmt: skip
            own = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_S}
            tolerations.append(own)


def _volume(volume: dict[str, Any]) -> None:
    if volume.keys() <= _NAME_ONLY:
        volume["emptyDir"] = {}
    for name in _MODED_VOLUMES:
        if isinstance(volume.get(name), dict):
            volume[name].setdefault("defaultMode", _MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
    for source in sources:
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _reference(item)
        if "serviceAccountToken" in source:
            fill(source["serviceAccountToken"], "expirationSeconds", TOKEN_S)
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if claim is not None:
        claim.setdefault("metadata", {})
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def _reference(source: dict[str, Any]) -> None:
    if source.get("fieldRef") is not None:
        fill(source["fieldRef"], "apiVersion", "v1")
    if source.get("resourceFieldRef") is not None:
        fill(source["resourceFieldRef"], "divisor", "0")


def _container(container: dict[str, Any]) -> None:
    fill(container, "terminationMessagePath", "/dev/termination-log")
    fill(container, "terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    if container.get("image"):
        fill(container, "imagePullPolicy", _pull_policy(container["image"]))
    for port in container.get("ports") or ():
        fill(port, "protocol", "TCP")
    for variable in container.get("env") or ():
        _reference(variable.get("valueFrom") or {})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _http_get(hook)


def _probe(probe: dict[str, Any]) -> None:
    fill(probe, "timeoutSeconds", 1)
    fill(probe, "periodSeconds", 10)
    fill(probe, "successThreshold", 1)
    fill(probe, "failureThreshold", 3)
    _http_get(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _http_get(action: dict[str, Any]) -> None:
    if "httpGet" in action:
        fill(action["httpGet"], "path", "/")
        fill(action["httpGet"], "scheme", "HTTP")


def _pull_policy(image: str) -> str:
    """`Always` for `:latest` or no tag, unless a digest fixes the content."""
    if "@" in image:
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "IfNotPresent" if colon and tag != "latest" else "Always"
