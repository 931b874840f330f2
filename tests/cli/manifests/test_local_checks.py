"""`tidegate validate --local`: what of a folder this machine would not honour or could not run, offline."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidegate.cli.manifests.files import read
from tidegate.cli.manifests.local_checks import local_remarks
from tidegate.cli.manifests.needs.lacking import Lacking
from tidegate.cli.manifests.remarks import Remark
from tidegate.local.nodes.foresight import Machine
from tidegate.local.nodes.images.program import ImageMap

EXAMPLES = Path(__file__).parents[3] / "examples"
RUNS = "containers: [{name: c, image: busybox, command: [sh, -c, 'true']}]"


def remarks(tmp_path: Path, text: str, **given: Any) -> list[Remark]:
    file = tmp_path / "all.yaml"
    file.write_text(text)
    plenty: dict[str, Any] = {"me": 0, "cpu": Decimal(64), "memory_bytes": 2**40, "is_shared": False}
    machine = Machine(ImageMap(), **{**plenty, **given})
    return list(local_remarks(read((str(file),)).documents, machine))


def told(tmp_path: Path, text: str, **given: Any) -> list[tuple[str, str, int]]:
    return [(one.level, one.field, one.spot.line) for one in remarks(tmp_path, text, **given)]


def test_what_is_not_honoured_is_a_warning_and_what_cannot_run_an_error(tmp_path):
    text = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      priorityClassName: high
      containers:
        - name: c
          image: acme/web
"""
    found = remarks(tmp_path, text)
    assert [(one.level, one.code, one.field, one.spot.line) for one in found] == [
        ("warning", "NotHonoured", "spec.template.spec.priorityClassName", 9),
        ("error", "CannotRun", "spec.template.spec.containers[0].image", 12),
    ]
    assert all(one.instead for one in found)
    assert str(found[0]).startswith("".join([str(tmp_path), "/all.yaml:9: warning: Deployment/web: "]))


def test_what_the_server_fills_in_is_not_told(tmp_path):
    kinds = [
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{{RUNS}}}",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 1}]}",
        f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: a}}\nspec: {{template: {{spec: {{{RUNS}}}}}}}",
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {storageClassName: x}",
    ]
    kinds += [
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{template: {{spec: {{{RUNS}}}}}}}"
        for kind in ("Deployment", "StatefulSet", "DaemonSet")
    ]
    assert told(tmp_path, "\n---\n".join(kinds)) == []


def test_the_examples_ask_for_nothing_that_is_not_honoured():
    machine = Machine(ImageMap(), me=0, cpu=Decimal(64), memory_bytes=2**40, is_shared=False)
    folders = [one for one in EXAMPLES.iterdir() if one.is_dir() and one.name not in ("charts", "programs")]
    assert len(folders) > 5
    found = [one for folder in folders for one in local_remarks(read((str(folder),)).documents, machine)]
    assert [lack for one in folders for lack in Lacking(read((str(one),)).documents).lacks] == []
    # Programs that this machine may lack (a broker's server) are another matter.
    assert [str(one) for one in found if not one.field.endswith((".image", ".command", ".args"))] == []


def test_jobs_of_a_scaled_job_are_looked_at(tmp_path):
    text = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: work}
spec:
  jobTargetRef:
    template:
      spec:
        runtimeClassName: gvisor
        containers: [{name: c, image: busybox, command: [sh]}]
  triggers: []
"""
    assert told(tmp_path, text) == [("warning", "spec.jobTargetRef.template.spec.runtimeClassName", 8)]


def test_kinds_without_effect_and_kinds_that_are_not_there(tmp_path):
    text = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: a}
"""
    assert told(tmp_path, text) == [("warning", "", 1), ("error", "kind", 6)]
    definition = """\
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec: {group: monitoring.coreos.com, names: {kind: ServiceMonitor, plural: servicemonitors}}
"""
    assert told(tmp_path, text + definition) == [("warning", "", 1)]


def test_an_old_version_of_a_kind_is_told_with_the_one_that_is_served(tmp_path):
    text = "apiVersion: {}\nkind: CronJob\nmetadata: {{name: a}}\nspec: {{schedule: '@daily'}}\n"
    (one,) = remarks(tmp_path, text.format("batch/v1beta1"))
    assert (one.level, one.field, one.spot.line, one.instead) == ("error", "apiVersion", 1, "write batch/v1")
    (other,) = remarks(tmp_path, text.format("example.org/v1"))
    assert other.field == "kind"


def claim(**spec: str) -> str:
    written = ", ".join(f"{name}: {value}" for name, value in spec.items())
    return f"""\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: rows}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}, {written}}}
"""


VOLUME = """\
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk, labels: {tier: gold}}
spec: {accessModes: [ReadWriteOnce], capacity: {storage: SIZE}, hostPath: {path: /tmp}}
"""
MANUAL = """\
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: manual}
provisioner: kubernetes.io/no-provisioner
"""


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (claim(storageClassName="fast"), ""),
        (claim(storageClassName="''"), "spec.storageClassName"),
        (claim(storageClassName="''") + VOLUME.replace("SIZE", "2Gi"), ""),
        (claim(storageClassName="''") + VOLUME.replace("SIZE", "1Mi"), "spec.storageClassName"),
        (claim(storageClassName="manual") + MANUAL, "spec.storageClassName"),
        (claim(selector="{matchLabels: {tier: gold}}"), "spec.selector"),
        (claim(selector="{matchLabels: {tier: gold}}") + VOLUME.replace("SIZE", "2Gi"), ""),
        (claim(volumeName="disk"), "spec.volumeName"),
        (claim(volumeName="disk") + VOLUME.replace("SIZE", "2Gi"), ""),
    ],
)
def test_a_claim_that_no_volume_serves_is_told(tmp_path, text, field):
    found = [one for one in remarks(tmp_path, text) if one.object.startswith("PersistentVolumeClaim")]
    assert [(one.level, one.field) for one in found] == ([("error", field)] if field else [])


def test_a_claim_template_is_looked_at(tmp_path):
    text = f"""\
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  template: {{spec: {{{RUNS}}}}}
  volumeClaimTemplates:
    - metadata: {{name: files}}
      spec: {{storageClassName: ""}}
"""
    assert told(tmp_path, text) == [("error", "spec.volumeClaimTemplates[0].spec.storageClassName", 8)]


def test_a_daemon_set_for_another_node_gets_no_pod(tmp_path):
    text = f"""\
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent}}
spec:
  template:
    spec:
      nodeSelector: {{disk: ssd}}
      {RUNS}
"""
    assert told(tmp_path, text) == [("error", "spec.template.spec.nodeSelector", 7)]
    assert told(tmp_path, text.replace("disk: ssd", "kubernetes.io/os: linux")) == []


@pytest.mark.parametrize("spec", ["[]", "{template: 3}", "{template: {spec: {containers: {a: 1}}}}", "null"])
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_what_cannot_be_read_is_left_to_the_other_remarks(tmp_path, kind, spec):
    assert told(tmp_path, f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n") == []


def in_engine(annotation: str = "", more: str = "") -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}, annotations: {{{annotation}}}}}
    spec:
      {more}
      containers:
        - name: c
          image: acme/web
          securityContext:
            capabilities: {{add: [NET_ADMIN]}}
            seccompProfile: {{type: RuntimeDefault}}
"""


TEMPLATE = "spec.template.spec"
AS_PROCESS = [
    ("warning", f"{TEMPLATE}.containers[0].securityContext.capabilities", 14),
    ("warning", f"{TEMPLATE}.containers[0].securityContext.seccompProfile", 15),
    ("error", f"{TEMPLATE}.containers[0].image", 12),
]


@pytest.mark.parametrize(
    ("runtime", "annotation", "expected"),
    [
        ("process", "", AS_PROCESS),
        ("podman", "", []),
        ("process", "tidegate.dev/runtime: podman", []),
        ("podman", "tidegate.dev/runtime: process", AS_PROCESS),
        ("process", "tidegate.dev/runtime: docker", [("error", f"{TEMPLATE}.containers", 10)]),
    ],
)
def test_in_an_engine_an_image_and_its_rights_are_honoured(tmp_path, runtime, annotation, expected):
    engine = tmp_path / "bin" / "podman"
    engine.parent.mkdir()
    engine.write_text("#!/bin/sh")
    engine.chmod(0o755)

    found = told(tmp_path, in_engine(annotation), runtime=runtime, engine_path=str(engine.parent))

    assert sorted(found) == sorted(expected)


def test_what_an_engine_does_not_honour_and_a_runtime_that_is_none_are_told(tmp_path):
    text = in_engine("tidegate.dev/runtime: rkt", "shareProcessNamespace: true")

    found = [one for one in remarks(tmp_path, text) if "containers" not in one.field]

    assert [one.field for one in found] == [
        "spec.template.metadata.annotations[tidegate.dev/runtime]",
        f"{TEMPLATE}.shareProcessNamespace",
    ]
    assert "one of process, podman, docker, nerdctl" in found[0].instead
