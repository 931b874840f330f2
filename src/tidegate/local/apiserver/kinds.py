"""Which kinds are served, and the rules of each that are not code: one table, read by every endpoint.

A kind stands here only if something gives it meaning: a controller, the node, or the plain fact
that storing it is all it needs. Custom resources join and leave with their CustomResourceDefinition.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tidegate.kube.resource import API_SERVICES, VALIDATING_WEBHOOKS, Resource

_ASKED = ("create",)
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
NameRule = Literal["subdomain", "label", "label-1035", "path"]


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource as discovery lists it. `kind` is empty where it is the parent's own kind."""

    name: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    group: str = ""
    version: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a kind keeps what its Scale shows: JSON paths like `.spec.replicas`; "" = not kept."""

    spec: str = ".spec.replicas"
    status: str = ".status.replicas"
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A served kind in one version.

    `storage_version` is the version its objects are stored in; another version of the same
    group and plural shares the objects. `schema` is the openAPIV3Schema of a custom resource,
    `columns` its additionalPrinterColumns, `selectable` its selectableFields. `is_journaled`:
    creations and deletions are written to the journal.
    """

    resource: Resource
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    verbs: tuple[str, ...] = VERBS
    singular: str = ""
    list_kind: str = ""
    has_generation: bool = False
    name_rule: NameRule = "subdomain"
    is_custom: bool = False
    is_journaled: bool = True
    is_terminating: bool = False
    storage_version: str = ""
    scale: ScalePaths | None = None
    schema: dict[str, Any] | None = None
    columns: tuple[dict[str, Any], ...] = ()
    selectable: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What its objects are stored under, whatever the version: `pods`, `deployments.apps`."""
        return storage_key(self.resource)

    @property
    def fields_key(self) -> str:
        """What its fields are listed under: versions that are stored as another have their own."""
        if self.storage_version in ("", self.resource.version):
            return self.key
        return f"{self.resource.plural}.{self.resource.version}.{self.resource.group}"

    @property
    def is_review(self) -> bool:
        """Whether creating one asks a question: it is answered, and nothing is stored."""
        return self.verbs == _ASKED

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own endpoint only."""
        return any(sub.name == "status" for sub in self.subresources)

    @property
    def singular_name(self) -> str:
        return self.singular or self.resource.kind.lower()

    @property
    def list_name(self) -> str:
        return self.list_kind or f"{self.resource.kind}List"

    @property
    def group_kind(self) -> str:
        """`Deployment.apps`, as messages about invalid objects name it."""
        return f"{self.resource.kind}.{self.resource.group}" if self.resource.group else self.resource.kind

    def subresource(self, name: str) -> Subresource | None:
        return next((sub for sub in self.subresources if sub.name == name), None)


def storage_key(resource: Resource) -> str:
    """`pods` or `deployments.apps`: group and plural without the version."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


STATUS = Subresource("status")
# What a scale subresource answers with; no kind of its own is served.
SCALES = Kind(Resource("autoscaling", "v1", "scales", "Scale"))
SCALE = Subresource("scale", group="autoscaling", version="v1", kind="Scale")
_POD_SUBRESOURCES = (
    STATUS,
    Subresource("log", ("get",)),
    Subresource("exec", ("create", "get"), kind="PodExecOptions"),
    Subresource("attach", ("create", "get"), kind="PodAttachOptions"),
    Subresource("portforward", ("create", "get"), kind="PodPortForwardOptions"),
    Subresource("binding", ("create",), kind="Binding"),
    Subresource("eviction", ("create",), "policy", "v1", "Eviction"),
)
_ALL = ("all",)
_TEMPLATE_SCALE = ScalePaths(selector=".spec.selector")


def _core(plural: str, kind: str, is_namespaced: bool = True) -> Resource:
    return Resource("", "v1", plural, kind, is_namespaced)


def _rbac(plural: str, kind: str, is_namespaced: bool = True) -> Kind:
    return Kind(Resource("rbac.authorization.k8s.io", "v1", plural, kind, is_namespaced), name_rule="path")


def _review(group: str, plural: str, kind: str, is_namespaced: bool = False) -> Kind:
    return Kind(Resource(f"{group}.k8s.io", "v1", plural, kind, is_namespaced), verbs=_ASKED)


_TOKEN = Subresource("token", _ASKED, "authentication.k8s.io", "v1", "TokenRequest")
BUILT_IN: tuple[Kind, ...] = (
    Kind(
        _core("namespaces", "Namespace", False),
        ("ns",),
        subresources=(STATUS, Subresource("finalize", ("update",))),
        verbs=tuple(verb for verb in VERBS if verb != "deletecollection"),
        name_rule="label",
    ),
    Kind(_core("nodes", "Node", False), ("no",), subresources=(STATUS,)),
    Kind(_core("pods", "Pod"), ("po",), _ALL, _POD_SUBRESOURCES, has_generation=True),
    Kind(_core("services", "Service"), ("svc",), _ALL, (STATUS,), name_rule="label-1035"),
    Kind(_core("endpoints", "Endpoints"), ("ep",), singular="endpoints"),
    Kind(_core("configmaps", "ConfigMap"), ("cm",)),
    Kind(_core("secrets", "Secret")),
    Kind(_core("serviceaccounts", "ServiceAccount"), ("sa",), subresources=(_TOKEN,)),
    Kind(_core("persistentvolumeclaims", "PersistentVolumeClaim"), ("pvc",), subresources=(STATUS,)),
    Kind(_core("persistentvolumes", "PersistentVolume", False), ("pv",), subresources=(STATUS,)),
    Kind(_core("events", "Event"), ("ev",), is_journaled=False),
    Kind(
        Resource("apps", "v1", "deployments", "Deployment"),
        ("deploy",),
        _ALL,
        (STATUS, SCALE),
        has_generation=True,
        scale=_TEMPLATE_SCALE,
    ),
    Kind(
        Resource("apps", "v1", "replicasets", "ReplicaSet"),
        ("rs",),
        _ALL,
        (STATUS, SCALE),
        has_generation=True,
        scale=_TEMPLATE_SCALE,
    ),
    Kind(
        Resource("apps", "v1", "statefulsets", "StatefulSet"),
        ("sts",),
        _ALL,
        (STATUS, SCALE),
        has_generation=True,
        name_rule="label",
        scale=_TEMPLATE_SCALE,
    ),
    Kind(Resource("apps", "v1", "daemonsets", "DaemonSet"), ("ds",), _ALL, (STATUS,), has_generation=True),
    Kind(Resource("apps", "v1", "controllerrevisions", "ControllerRevision")),
    Kind(Resource("batch", "v1", "jobs", "Job"), (), _ALL, (STATUS,), has_generation=True),
    Kind(Resource("batch", "v1", "cronjobs", "CronJob"), ("cj",), _ALL, (STATUS,), has_generation=True),
    Kind(
        Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
        ("hpa",),
        _ALL,
        (STATUS,),
    ),
    Kind(
        Resource("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
        ("hpa",),
        _ALL,
        (STATUS,),
        storage_version="v2",
    ),
    Kind(Resource("coordination.k8s.io", "v1", "leases", "Lease"), is_journaled=False),
    Kind(
        Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
        has_generation=True,
        is_journaled=False,
    ),
    Kind(
        Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
        ("pdb",),
        subresources=(STATUS,),
        has_generation=True,
    ),
    # What follows is stored, and has no effect: see `writing/unhonoured.py`.
    Kind(_core("limitranges", "LimitRange"), ("limits",)),
    Kind(_core("resourcequotas", "ResourceQuota"), ("quota",), subresources=(STATUS,)),
    Kind(
        Resource("networking.k8s.io", "v1", "ingresses", "Ingress"),
        ("ing",),
        subresources=(STATUS,),
        has_generation=True,
        singular="ingress",
    ),
    Kind(
        Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
        ("netpol",),
        has_generation=True,
    ),
    Kind(
        Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", is_namespaced=False),
        ("sc",),
    ),
    Kind(
        Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", is_namespaced=False),
        ("pc",),
        has_generation=True,
    ),
    Kind(API_SERVICES, categories=("api-extensions",), subresources=(STATUS,)),
    Kind(VALIDATING_WEBHOOKS, categories=("api-extensions",), has_generation=True),
    Kind(
        Resource(
            "admissionregistration.k8s.io",
            "v1",
            "mutatingwebhookconfigurations",
            "MutatingWebhookConfiguration",
            is_namespaced=False,
        ),
        categories=("api-extensions",),
        has_generation=True,
    ),
    _review("authentication", "tokenreviews", "TokenReview"),
    _review("authentication", "selfsubjectreviews", "SelfSubjectReview"),
    _review("authorization", "subjectaccessreviews", "SubjectAccessReview"),
    _review("authorization", "localsubjectaccessreviews", "LocalSubjectAccessReview", True),
    _review("authorization", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _review("authorization", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    _rbac("roles", "Role"),
    _rbac("rolebindings", "RoleBinding"),
    _rbac("clusterroles", "ClusterRole", False),
    _rbac("clusterrolebindings", "ClusterRoleBinding", False),
    Kind(
        Resource(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            is_namespaced=False,
        ),
        ("crd", "crds"),
        ("api-extensions",),
        (STATUS,),
        has_generation=True,
    ),
)


class Kinds:
    """The kinds served now. `revision` rises with every change of the table (ETags, hashes)."""

    def __init__(self, built_in: Iterable[Kind] = BUILT_IN) -> None:
        self.revision = 0
        self._by_path: dict[tuple[str, str, str], Kind] = {}
        for kind in built_in:
            self._put(kind)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind behind a URL path, or None (404)."""
        return self._by_path.get((group, version, plural))

    def of(self, resource: Resource) -> Kind | None:
        return self.find(resource.group, resource.version, resource.plural)

    def named(self, api_version: str, kind: str) -> Kind | None:
        """The kind of an object by its `apiVersion` and `kind`."""
        group, _, version = api_version.rpartition("/")
        for served in self._by_path.values():
            resource = served.resource
            if (resource.group, resource.version, resource.kind) == (group, version, kind):
                return served
        return None

    def all(self) -> tuple[Kind, ...]:
        """Every served kind, built-in ones first; a group's preferred version before its others."""
        return tuple(self._by_path.values())

    def custom(self, key: str) -> tuple[Kind, ...]:
        """The served versions of one custom resource."""
        return tuple(kind for kind in self._by_path.values() if kind.is_custom and kind.key == key)

    def replace_custom(self, key: str, kinds: Iterable[Kind]) -> None:
        """Serves exactly `kinds` for the custom resource stored under `key` (none: forgets it)."""
        for kind in self.custom(key):
            resource = kind.resource
            del self._by_path[(resource.group, resource.version, resource.plural)]
        for kind in kinds:
            self._put(kind)
        self.revision += 1

    def _put(self, kind: Kind) -> None:
        resource = kind.resource
        self._by_path[(resource.group, resource.version, resource.plural)] = kind
