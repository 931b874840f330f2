"""What is made from the chart: the schema of its values, its copies of the definitions, the plain manifests.

Plain manifests are rendered by Helm, which not every machine has. Their first lines carry a hash of all that
they are made from and of what they say, so that files out of step are found without it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

import servers

ROOT = Path(__file__).parent.parent
CHART = ROOT / "deploy" / "charts" / "tidegate"
DEFINITIONS = CHART / "crds-of-keda"
SCHEMA = CHART / "values.schema.json"
PLAIN = ROOT / "deploy" / "tidegate.yaml"
IMAGE = "registry.example.com/tidegate"
NAMESPACE = "keda"

# What a value may be, where its default does not tell. The path is that of the value.
CHOICES: dict[str, list[str]] = {
    "image.pullPolicy": ["Always", "IfNotPresent", "Never"],
    "logging.operator.format": ["console", "json"],
    "logging.webhooks.format": ["console", "json"],
    "logging.metricServer.zapEncoder": ["console", "json"],
    "networkPolicy.flavor": ["kubernetes"],
    "webhooks.failurePolicy": ["Ignore", "Fail"],
    "http.minTlsVersion": ["TLS12", "TLS13"],
    "service.minTlsVersion": ["TLS12", "TLS13"],
}
OTHERS: dict[str, dict[str, Any]] = {
    "operator.hostUsers": {"type": ["boolean", "null"]},
    "metricsServer.hostUsers": {"type": ["boolean", "null"]},
    "webhooks.hostUsers": {"type": ["boolean", "null"]},
    "operator.replicaCount": {"type": "integer", "minimum": 0},
    "metricsServer.replicaCount": {"type": "integer", "minimum": 0},
    "webhooks.replicaCount": {"type": "integer", "minimum": 0},
    "webhooks.timeoutSeconds": {"type": "integer", "minimum": 1, "maximum": 30},
    "rbac.scaledRefKinds": {"type": "array", "items": {"type": "object", "required": ["apiGroup", "kind"]}},
    "permissions.operator.restrict.serviceAccountTokenCreationRoles": {
        "type": "array",
        "items": {"type": "object", "required": ["name", "namespace"]},
    },
    "podIdentity.aws.irsa.stsRegionalEndpoints": {"type": ["string", "boolean"]},
    "logging.operator.level": {"type": ["string", "integer"]},
    "logging.webhooks.level": {"type": ["string", "integer"]},
    "logging.metricServer.zapLevel": {"type": ["string", "integer"]},
}
# Parts of a pod that Kubernetes checks: whatever it takes is taken.
FREE = ("resources.", "securityContext.", "podSecurityContext.", "podDisruptionBudget.")
TYPES = {bool: "boolean", int: "integer", str: "string", list: "array"}


def schema(path: str, value: Any) -> dict[str, Any]:
    """The JSON schema of a value with that default; an empty mapping takes any keys, others their own."""
    if path in OTHERS:
        return OTHERS[path]
    if path in CHOICES:
        return {"enum": CHOICES[path]}
    if not isinstance(value, dict):
        return {"type": TYPES[type(value)]}
    if not value or (path and f"{path}.".startswith(FREE) and path.count(".") >= 1):
        return {"type": "object"}
    properties = {key: schema(f"{path}.{key}".lstrip("."), one) for key, one in value.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def render_schema() -> str:
    """`values.schema.json`: a value that the chart does not know is refused."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart tidegate"}
    made = {**head, "description": "Generated from values.yaml; run `make generate`.", **schema("", values)}
    return json.dumps(made, indent=1) + "\n"


def sources() -> str:
    """The hash of all that the plain manifests are made from."""
    digest = hashlib.sha256()
    made = [CHART / "Chart.yaml", CHART / "values.yaml", *sorted((CHART / "templates").rglob("*.*"))]
    for path in made:
        digest.update(f"\0{path.relative_to(CHART)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def signed(body: str) -> str:
    """The plain manifests with their first lines."""
    own = hashlib.sha256(body.encode()).hexdigest()[:16]
    return (
        f"# Generated from deploy/charts/tidegate by `make generate` (made from {sources()}, reads {own}).\n"
        f"# Put your image in place of {IMAGE}, and apply deploy/crds as well.\n"
        "# Before `kubectl delete -f` run `tidegate withdraw`: see docs/install.md.\n"
        f"{body}"
    )


def as_signed() -> str:
    """What deploy/tidegate.yaml says, if its first lines are right."""
    return signed(_body()) if PLAIN.exists() else ""


def write_plain() -> bool:
    """Renders the plain manifests anew where they are out of step; whether they were."""
    if PLAIN.exists() and PLAIN.read_text() == as_signed():
        return False
    helm = servers.servers()["helm"].program("bin/helm")
    if helm is None:
        raise SystemExit(
            "deploy/tidegate.yaml is out of step with deploy/charts/tidegate, and Helm, which renders it, "
            "is not here: .venv/bin/python scripts/servers.py install helm, then make generate"
        )
    PLAIN.write_text(signed(rendered(helm)))
    return True


def rendered(helm: Path) -> str:
    """The chart with its defaults, without definitions and without what runs when a release is deleted."""
    settings = f"image.keda.repository={IMAGE},uninstall.enabled=false,crds.install=false"
    command = [str(helm), "template", "tidegate", str(CHART), "--namespace", NAMESPACE, "--set", settings]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if run.returncode:
        raise SystemExit(run.stderr)
    lines = [line for line in run.stdout.splitlines() if not line.startswith("# Source:")]
    # No Helm is there to say who manages it.
    own = [line for line in lines if line.strip() != "app.kubernetes.io/managed-by: Helm"]
    namespace = ["---", "apiVersion: v1", "kind: Namespace", "metadata:", f"  name: {NAMESPACE}"]
    return "\n".join([*namespace, *own]) + "\n"


def _body() -> str:
    return PLAIN.read_text().split("\n", 3)[-1]


def render(definitions: dict[str, str]) -> dict[Path, str]:
    """Every file that is made without Helm, given the definitions by file name."""
    return {**{DEFINITIONS / name: text for name, text in definitions.items()}, SCHEMA: render_schema()}
