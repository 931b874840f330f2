"""Writes `protobuf.json`: the wire numbers of the built-in kinds' fields, from Kubernetes' Go types.

    python tests/local/apiserver/http/make_protobuf.py API MACHINERY \
        > src/tidegate/local/apiserver/http/protobuf.json

API and MACHINERY are checkouts of kubernetes/api and kubernetes/apimachinery.

A field is "<json name> <type>[?]", keyed by its number. Types: `str int bool float bytes time micro
quantity intorstr raw texts`, a message's name, `[X]` a list, `{X}` a map. `?` marks a field that JSON leaves
out when it is zero. An empty json name: the message's fields stand in their parent.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOTS = {
    "core/v1": "Namespace Node Pod Service Endpoints ConfigMap Secret ServiceAccount PersistentVolumeClaim "
    "PersistentVolume Event Binding LimitRange ResourceQuota",
    "apps/v1": "Deployment ReplicaSet StatefulSet DaemonSet ControllerRevision",
    "batch/v1": "Job CronJob",
    "autoscaling/v1": "Scale HorizontalPodAutoscaler",
    "autoscaling/v2": "HorizontalPodAutoscaler",
    "coordination/v1": "Lease",
    "discovery/v1": "EndpointSlice",
    "policy/v1": "PodDisruptionBudget Eviction",
    "rbac/v1": "Role RoleBinding ClusterRole ClusterRoleBinding",
    "networking/v1": "Ingress NetworkPolicy",
    "storage/v1": "StorageClass",
    "scheduling/v1": "PriorityClass",
    "admissionregistration/v1": "ValidatingWebhookConfiguration MutatingWebhookConfiguration",
    "meta/v1": "DeleteOptions",
    "authentication/v1": "TokenRequest TokenReview SelfSubjectReview",
    "authorization/v1": "SubjectAccessReview LocalSubjectAccessReview SelfSubjectAccessReview "
    "SelfSubjectRulesReview",
}
PLAIN = {
    "string": "str", "bool": "bool", "int32": "int", "int64": "int", "int": "int", "uint8": "int",
    "float64": "float", "[]byte": "bytes", "metav1.Time": "time", "Time": "time",
    "metav1.MicroTime": "micro", "MicroTime": "micro", "resource.Quantity": "quantity",
    "intstr.IntOrString": "intorstr", "metav1.FieldsV1": "raw", "FieldsV1": "raw",
    "runtime.RawExtension": "raw", "types.UID": "str",
}  # fmt: skip
PACKAGES = {
    "metav1": "meta/v1",
    "v1": "core/v1",
    "corev1": "core/v1",
    "apiv1": "core/v1",
    "autoscalingv1": "autoscaling/v1",
}
FIELD = re.compile(r"^\s+(?:(\w+)\s+)?([\w.*\[\]{}]+)\s+`json:\"([^\"]*)\"[^`\n]*protobuf:\"\w+,(\d+),", re.M)
STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.M | re.S)
NAMED = re.compile(r"^\s*(?:type )?(\w+) (string|int32|int64|\[\][\w.]+|map\[\w+\][\w.]+)$", re.M)


class UnknownPackage(LookupError):
    """A type of a package that none of the roots is from."""


class Packages:
    """The Go types of all packages, and the table made of those that the roots reach."""

    def __init__(self, api: Path, machinery: Path) -> None:
        self.structs: dict[str, dict[str, str]] = {}
        self.named: dict[str, dict[str, str]] = {}
        self.table: dict[str, dict[str, str]] = {}
        for package in ROOTS:
            path = machinery / "pkg/apis" / package if package == "meta/v1" else api / package
            text = (path / "types.go").read_text()
            self.structs[package] = dict(STRUCT.findall(text))
            self.named[package] = dict(NAMED.findall(text))

    def add(self, package: str, name: str) -> str:
        key = f"{package}.{name}"
        if key in self.table:
            return key
        fields = self.table[key] = {}
        for _, go_type, tag, number in FIELD.findall(self.structs[package][name]):
            json_name, *marks = tag.split(",")
            is_left_out = "omitempty" in marks and not go_type.startswith("*")
            try:
                type_text = self.type(package, go_type)
            except UnknownPackage:
                continue  # not read, like any field the table does not have
            fields[number] = f"{json_name} {type_text}{'?' if is_left_out else ''}"
        return key

    def type(self, package: str, go_type: str) -> str:
        go_type = go_type.removeprefix("*")
        if go_type in PLAIN:
            return PLAIN[go_type]
        if go_type.startswith("[]"):
            return f"[{self.type(package, go_type[2:])}]"
        if found := re.fullmatch(r"map\[[\w.]+\](.+)", go_type):
            inner = self.type(package, found[1])
            # A list cannot be a map's value: Kubernetes gives it a message of its own.
            return "{texts}" if inner == "[str]" else f"{{{inner}}}"
        if "." in go_type:
            prefix, _, go_type = go_type.partition(".")
            if prefix not in PACKAGES:
                raise UnknownPackage(prefix)
            package = PACKAGES[prefix]
        if go_type in self.named[package]:
            return self.type(package, self.named[package][go_type])
        return self.add(package, go_type)


def main() -> None:
    packages = Packages(Path(sys.argv[1]), Path(sys.argv[2]))
    for package, names in ROOTS.items():
        for name in names.split():
            packages.add(package, name)
    lines = [f'"{key}": {json.dumps(packages.table[key])}' for key in sorted(packages.table)]
    sources = "k8s.io/api and k8s.io/apimachinery, types.go, Apache-2.0"
    print('{"generated by": "tests/local/apiserver/http/make_protobuf.py",')
    print(f'"source": "{sources}",\n"messages": {{')
    print(",\n".join(lines))
    print("}}")


if __name__ == "__main__":
    main()
