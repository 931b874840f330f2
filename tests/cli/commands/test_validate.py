"""`tidegate validate`: every problem with its file and line, before anything runs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from parts.plain_objects import plain_objects
from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.auth.resolve import Options
from tidegate.cli.commands.validate import command
from tidegate.cli.manifests.admission import admit
from tidegate.cli.manifests.lookup import ManifestLookup
from tidegate.cli.manifests.remarks import is_ours
from tidegate.kube.resource import SCALED_OBJECTS
from tidegate.local.apiserver.kinds import Kind
from tidegate.operator.reconcile.trigger_plan import plan

ROOT = Path(__file__).parents[3]
KIND = Kind(SCALED_OBJECTS)

BROKEN = """\
# two objects, several mistakes
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web}
spec:
  scaleTargetRef: {name: web}
  minReplicaCount: 2
  triggers:
    - type: cron
      metadata:
        timezone: Europe/Berlin
        start: 0 8 * * 1-5
        end: 0 18 * * 7
        desiredReplicas: "2"
    - type: redis
      metadata:
        address: redis:6379
        listName: jobs
        listLength: ten
        lisName: x
---
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: work}
spec:
  pollingInterval: 0
  jobTargetRef: {}
  triggers: []
"""


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, list(words), input=stdin)


def test_all_problems_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    result = run(str(file))
    told = [line.removeprefix(f"{file}:") for line in result.stdout.splitlines()]
    assert [line.split(":")[0] for line in told if " error:" in line] == ["13", "19", "26", "27", "28"]
    assert any(
        '19: error: ScaledObject/web: spec.triggers[1].metadata.listLength: "ten"' in one for one in told
    )
    assert any(line.startswith("20: warning: ") and "lisName" in line for line in told)
    assert any(line.startswith("14: warning: ") and "has no effect" in line for line in told)
    assert result.exit_code == 1
    assert "2 of 2 objects checked: 5 errors" in result.stderr


def test_one_mistake_hides_no_other() -> None:
    """Each trigger is looked at for itself, on what can be read: numbers are taken for their texts."""
    wrong = BROKEN.partition("---")[0].replace(
        "minReplicaCount: 2", "minReplicaCount: two\n  pollingInterval: -1"
    )
    wrong = wrong.replace('"2"', "2").replace("listName: jobs", "listName: on")
    told = run("-", stdin=wrong).stdout
    fields = [line.split(": ")[3] for line in told.splitlines() if " error: " in line]
    assert fields == [
        "spec.minReplicaCount",
        "spec.pollingInterval",
        "spec.triggers[0].metadata.end",
        "spec.triggers[0].metadata.desiredReplicas",
        "spec.triggers[1].metadata.listName",
        "spec.triggers[1].metadata.listLength",
    ]
    assert "minReplicaCount is" not in told, "nobody wrote a count to compare with"
    assert "lisName" in told


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ("triggers: 5", ["spec.triggers"]),
        ("triggers: [5]", ["spec.triggers[0]"]),
        ("triggers: [{type: redis}]", ["spec.triggers[0].metadata"]),
        ("triggers: [{type: 5, metadata: {}}]", ["spec.triggers[0].type"]),
        (
            "triggers: [{type: redis, metadata: {listName: x}, authenticationRef: a}]",
            ["spec.triggers[0].authenticationRef"],
        ),
        ("maxReplicaCount: x\n  fallback: {failureThreshold: 1, replicas: 500}", ["spec.maxReplicaCount"]),
    ],
)
def test_nothing_is_said_of_a_value_that_nobody_wrote(spoilt: str, told: list[str]) -> None:
    triggers = "triggers: [{type: redis, metadata: {address: 'a:1', listName: x}}]"
    body = f"{BY_CPU.partition('  minReplicaCount')[0]}  {spoilt}\n"
    body += f"  {triggers}\n" if "triggers" not in spoilt else ""
    lines = run("-", stdin=body).stdout.splitlines()
    assert [line.split(": ")[3] for line in lines] == told


def test_programs_get_the_same_as_json() -> None:
    result = run("-", "-o", "json", stdin=BROKEN)
    report = msgspec.json.decode(result.stdout)
    assert {one["level"] for one in report["remarks"]} == {"error", "warning"}
    [one] = [one for one in report["remarks"] if one["field"].endswith("listLength")]
    assert one.pop("text").startswith('"ten" is not a number')
    assert one == {
        "file": "standard input",
        "line": 19,
        "column": 9,
        "object": "ScaledObject/web",
        "field": "spec.triggers[1].metadata.listLength",
        "level": "error",
        "code": "FieldValueInvalid",
    }
    assert (report["summary"]["errors"], report["summary"]["objects"]) == (5, 2)
    empty = msgspec.json.decode(run("-", "-o", "json", stdin="").stdout)
    assert empty["remarks"] == []
    assert empty["summary"]["text"].startswith("standard input: there is no object in it")


LOCAL = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  runtimeClassName: gvisor
  containers: [{name: c, image: IMAGE, command: COMMAND}]
"""
RUNNABLE = LOCAL.replace("IMAGE", "busybox").replace("COMMAND", "[sh, -c, 'true']")


def test_what_local_mode_would_not_honour_is_said_where_it_is_asked_for(tmp_path: Path) -> None:
    here = ("--local", "--data-dir", str(tmp_path))
    assert run("-", stdin=RUNNABLE).stdout == ""
    told = run("-", *here, stdin=RUNNABLE)
    assert told.exit_code == 0
    assert told.stdout.startswith("standard input:5: warning: Pod/a: spec.runtimeClassName: has no effect: ")
    assert "instead" not in told.stdout
    wide = run("-", *here, "-o", "wide", stdin=RUNNABLE)
    assert wide.stdout == told.stdout + "    instead: leave it out here\n"
    assert told.stderr.endswith("-o wide says what to write instead\n")
    assert "-o wide" not in wide.stderr + run("-", stdin=RUNNABLE).stderr
    for form, read in (("json", msgspec.json.decode), ("yaml", yaml.safe_load)):
        [one] = read(run("-", *here, "-o", form, stdin=RUNNABLE).stdout)["remarks"]
        assert (one["level"], one["code"], one["instead"]) == ("warning", "NotHonoured", "leave it out here")


def test_what_could_not_run_here_is_an_error(tmp_path: Path) -> None:
    manifest = LOCAL.replace("IMAGE", "acme/work").replace("COMMAND", "[]")
    assert run("-", stdin=manifest).exit_code == 0
    told = run("-", "--local", "--data-dir", str(tmp_path), "-o", "wide", stdin=manifest)
    assert told.exit_code == 1
    assert "error: Pod/a: spec.containers[0].image: keeps its pods waiting" in told.stdout
    table = tmp_path / "images.yaml"
    table.write_text("images: [{images: [acme/work], command: [sh]}]")
    words = ("-", "--local", "--data-dir", str(tmp_path), "--images", str(table))
    assert run(*words, stdin=manifest).exit_code == 0
    assert list(tmp_path.iterdir()) == [table]


def test_an_unknown_field_is_an_error() -> None:
    manifest = (ROOT / "examples/office-hours/office-hours.yaml").read_text()
    result = run("-", stdin=manifest.replace("cooldownPeriod:", "coolDownPeriod:"))
    assert 'spec.coolDownPeriod: unknown field; did you mean "cooldownPeriod"?' in result.stdout
    assert result.exit_code == 1


def test_what_another_source_may_give_is_not_missing() -> None:
    """The password of the example comes from a Secret that nobody reads here."""
    result = run(str(ROOT / "examples" / "queue-worker"))
    assert result.stdout == ""
    assert result.exit_code == 0


def test_the_hpa_is_shown_as_the_server_would_make_it() -> None:
    result = run(str(ROOT / "examples" / "queue-worker"), "--show", "hpa")
    [hpa] = yaml.safe_load_all(result.stdout)
    assert hpa["metadata"]["name"] == "keda-hpa-worker"
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (1, 10)
    [metric] = hpa["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == "s0-redis-jobs"
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "5"}


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("idleReplicaCount: 1\n  minReplicaCount: 2", "only 0 works"),
        ("minReplicaCount: 3", "has no effect: minReplicaCount is 3 anyway"),
        ("maxReplicaCount: 2", "is more than maxReplicaCount 2"),
        ("minReplicaCount: 1\n  initialCooldownPeriod: 9", "nothing is scaled to zero"),
        ("minReplicaCount: 1\n  pollingInterval: 9", "spec.pollingInterval: 9 has no effect"),
        ("fallback: {failureThreshold: 3, replicas: 2}", "cron triggers never fail"),
    ],
)
def test_fields_without_effect_are_named(field: str, word: str) -> None:
    manifest = (ROOT / "examples/office-hours/office-hours.yaml").read_text()
    manifest = manifest.replace("  maxReplicaCount: 5", f"  {field}")
    result = run("-", stdin=manifest)
    assert word in result.stdout
    assert result.exit_code == 0


TARGET = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: any}, {name: side, image: any, resources: {limits: {cpu: 1}}}]
"""
BY_CPU = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web}
spec:
  scaleTargetRef: {name: web}
  minReplicaCount: 1
  triggers:
    - type: cpu
      metricType: Utilization
      metadata: {value: "60"}
"""
LIMITS = """\
---
apiVersion: v1
kind: LimitRange
metadata: {name: usual}
spec: {limits: [{type: Container, defaultRequest: {cpu: 100m}}]}
"""


def test_the_target_is_looked_at_where_it_is_among_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BY_CPU)
    assert run(str(tmp_path)).stdout == ""
    (tmp_path / "b.yaml").write_text(TARGET)
    result = run(str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout == (
        f"{tmp_path}/a.yaml:9: warning: ScaledObject/web: spec.triggers[0].metricType: "
        '"Utilization" cannot be computed: Deployment/web sets no resources.requests.cpu '
        'for container "main"\n'
    )
    (tmp_path / "b.yaml").write_text(TARGET.replace("name: web}", "name: web, namespace: shop}", 1))
    assert run(str(tmp_path)).stdout == "", "another Deployment"


def test_a_limit_range_among_the_files_gives_requests() -> None:
    assert run("-", stdin=BY_CPU + TARGET + LIMITS).stdout == ""
    memory = LIMITS.replace("cpu", "memory")
    assert "resources.requests.cpu" in run("-", stdin=BY_CPU + TARGET + memory).stdout


def test_a_parameter_that_no_trigger_of_the_files_reads_is_named() -> None:
    manifest = "".join(
        (ROOT / "examples" / "queue-worker" / name).read_text() + "---\n"
        for name in sorted(one.name for one in (ROOT / "examples" / "queue-worker").glob("*.yaml"))
    )
    assert "parameter: password" in manifest
    result = run("-", stdin=manifest.replace("parameter: password", "parameter: pasword"))
    assert "no redis trigger reads it; did you mean" in result.stdout


def test_metadata_is_checked_as_the_server_does() -> None:
    bad = BY_CPU.replace("{name: web}\nspec", "{name: Web_1, labels: {a: 1}, colour: red}\nspec")
    told = run("-", stdin=bad).stdout
    assert "metadata.labels.a: Invalid value: 1" in told
    assert "metadata.colour: unknown field" in told
    assert (
        "metadata.name: Invalid value"
        in run("-", stdin=BY_CPU.replace("name: web}\n", "name: Web_1}\n", 1)).stdout
    )
    assert (
        "metadata.name: Required value" in run("-", stdin=BY_CPU.replace("{name: web}\n", "{}\n", 1)).stdout
    )


def test_what_cannot_be_read_takes_nothing_from_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [\n")
    (tmp_path / "b.yaml").write_text(BROKEN)
    result = run(str(tmp_path), str(tmp_path / "missing.yaml"))
    lines = result.stdout.splitlines()
    assert lines[0] == f"{tmp_path}/missing.yaml: error: no such file or directory"
    assert lines[1].startswith(f"{tmp_path}/a.yaml:2:1: error: did not find expected node content")
    assert any("b.yaml:13: error" in line for line in lines)
    assert result.exit_code == 1
    [first, *_] = msgspec.json.decode(run(str(tmp_path), "-o", "json").stdout)["remarks"]
    assert (first["file"], first["line"], first["column"]) == (f"{tmp_path}/a.yaml", 2, 1)


@pytest.mark.parametrize("text", ["", "# a comment\n", "---\n---\n"])
def test_where_there_is_nothing_to_check_validate_says_so(text: str) -> None:
    result = run("-", stdin=text)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "standard input: there is no object in it, and nothing to check\n"


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_kustomize_folder_is_an_error_that_says_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("resources: [web.yaml]\n")
    (tmp_path / "web.yaml").write_text("spec: {replicas: 2}\n")
    told = (
        f"{tmp_path}: error: its files are parts that kustomize puts together; give this command what comes "
        f"out: kubectl kustomize {tmp_path} | tidegate validate -f -\n"
    )
    assert run(str(tmp_path)).stdout == told
    assert run(str(tmp_path)).exit_code == 1
    assert f"kubectl kustomize {tmp_path}" in run(str(tmp_path / name)).stdout
    assert "| tidegate validate --local -f -" in run("--local", str(tmp_path)).stdout


def test_no_namespace_and_the_default_one_are_the_same(tmp_path: Path) -> None:
    first = BY_CPU.replace("{name: web}", "{name: web, namespace: default}", 1)
    second = BY_CPU.replace("{name: web}", "{name: other}", 1)
    assert run("-", stdin=first + "---\n" + second).exit_code == 1
    elsewhere = first.replace("namespace: default", "namespace: shop")
    assert run("-", stdin=elsewhere + "---\n" + second).exit_code == 0


def test_a_folder_of_folders_is_an_error_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    result = run(str(tmp_path))
    assert result.exit_code == 1
    assert f"{tmp_path}: error: no file in it ends with" in result.stdout
    assert "name them (inner)" in result.stdout


def test_no_file_at_all_is_a_wrong_use() -> None:
    assert run().exit_code == 2


def test_the_shown_hpa_is_read_again_as_it_is() -> None:
    """`1e3` is a text here, and kubectl would take it for a number."""
    manifest = BY_CPU.replace("{name: web}\nspec", "{name: web, labels: {v: '1e3', w: '08'}}\nspec")
    shown = run("-", "--show", "hpa", stdin=manifest)
    assert "v: '1e3'" in shown.stdout
    assert "w: '08'" in shown.stdout


WITH_TEMPLATE = "{template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}"


def test_a_field_that_the_schema_drops_may_hold_anything() -> None:
    """A name of ours beside the trigger's, and a number where no field wants one."""
    manifest = BROKEN.partition("---\n")[2].replace("pollingInterval: 0", "pollingInterval: 5")
    manifest = manifest.replace("{}", WITH_TEMPLATE).replace(
        "[]",
        "[{type: cron, metrictype: 5, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *, "
        "desiredReplicas: '2'}}]",
    )
    result = run("-", stdin=manifest)
    assert (
        result.stdout == "standard input:7: error: ScaledJob/work: spec.triggers[0].metrictype: unknown field"
        '; did you mean "metricType"?\n'
    )


def test_the_admission_and_the_operator_say_what_validate_says() -> None:
    """All three ask the review; only who can see the target tells of its containers."""
    manifest = BY_CPU.replace("minReplicaCount: 1", "minReplicaCount: 1\n  pollingInterval: 5")
    body, target = list(yaml.safe_load_all(manifest + TARGET))
    validated = [line.split(": ", 3)[3] for line in run("-", stdin=manifest + TARGET).stdout.splitlines()]
    assert [one.partition(":")[0] for one in validated] == [
        "spec.pollingInterval",
        "spec.triggers[0].metricType",
    ]
    _, admitted = admit("CREATE", KIND, body, None)
    object = decode(body)
    assert isinstance(object, ScaledObject)
    planned = plan(object, target["spec"]["template"], None, ManifestLookup([]), Options())
    assert list(admitted) == validated[:1]
    assert sorted(planned.warnings) == validated


def fields_of(result: Result) -> list[tuple[str, str]]:
    """Level and field of each line that is told."""
    lines = [line.split(": ") for line in result.stdout.splitlines()]
    return [(one[1], one[3]) for one in lines]


MINE = """\
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: mine}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}
"""


def test_objects_of_the_files_that_contradict_each_other_are_told_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BY_CPU)
    (tmp_path / "b.yaml").write_text(BY_CPU)
    (tmp_path / "c.yaml").write_text(BY_CPU.replace("{name: web}\nspec", "{name: other}\nspec"))
    (tmp_path / "d.yaml").write_text(
        BY_CPU.replace("{name: web}\nspec", "{name: web, namespace: shop}\nspec")
    )
    result = run(str(tmp_path))
    assert result.exit_code == 1
    twice, shared = result.stdout.splitlines()
    assert twice.startswith(
        f'{tmp_path}/b.yaml:3: error: ScaledObject/web: metadata.name: Duplicate value: "web"'
    )
    assert twice.endswith(f"({tmp_path}/a.yaml:1)")
    assert shared == (
        f"{tmp_path}/c.yaml:5: error: ScaledObject/other: spec.scaleTargetRef: the workload 'web' of type "
        f"'apps/v1.Deployment' is already managed by the ScaledObject 'web' ({tmp_path}/a.yaml:1)"
    )
    assert run("-", stdin=BY_CPU + "---\n" + BY_CPU.replace("name: web", "name: x")).exit_code == 0


def test_an_hpa_of_the_files_and_a_scaled_object_are_no_pair() -> None:
    told = run("-", stdin=BY_CPU + MINE).stdout
    assert "is already managed by the hpa 'mine' (standard input:12)" in told
    asked = "{name: web, annotations: {scaledobject.keda.sh/transfer-hpa-ownership: 'true'}}\nspec"
    told = run("-", stdin=BY_CPU.replace("{name: web}\nspec", asked) + MINE).stdout
    assert "the existing hpa 'mine'" in told
    for spoilt in ("spec: []", "spec: {scaleTargetRef: 5}", "metadata: {name: 5}\nspec: {}"):
        told = run("-", stdin=f"{BY_CPU}{MINE.partition('meta')[0]}{spoilt}\n").stdout
        assert "HorizontalPodAutoscaler/" in told
        assert "already managed" not in told


def test_octal_numbers_are_told() -> None:
    told = run("-", stdin=BY_CPU.replace("minReplicaCount: 1", "minReplicaCount: 010")).stdout
    assert "warning: ScaledObject/web: spec.minReplicaCount: 010 is octal and means 8; write 8" in told
    assert run("-", stdin=BY_CPU.replace("minReplicaCount: 1", "minReplicaCount: 07")).stdout == ""


def test_what_is_admitted_and_does_not_work_says_so() -> None:
    by_mood = BY_CPU.replace("type: cpu", "type: mood")
    [line] = run("-", stdin=by_mood).stdout.splitlines()
    assert "no scaler found for type: mood; `tidegate triggers` lists the types that there are" in line
    assert line.endswith("(admitted, but this trigger never scales)")
    job = BROKEN.partition("---\n")[2].replace("pollingInterval: 0", "pollingInterval: 5")
    job = job.replace("{}", WITH_TEMPLATE).replace(
        "[]", "[{type: redis, metricType: Value, metadata: {address: 'r:1', listName: x}}]"
    )
    [line] = run("-", stdin=job).stdout.splitlines()
    assert line.endswith(
        "spec.triggers[0].metricType: Cannot set metricType in ScaledJob triggers (admitted, but the object "
        "is never Ready, and KEDA makes no Jobs for it)"
    )
    refused = by_mood.replace("minReplicaCount: 1", "minReplicaCount: 200")
    assert "admitted" not in run("-", stdin=refused).stdout


def test_fields_below_a_value_of_a_wrong_type_are_not_told_too() -> None:
    told = run("-", stdin=BY_CPU.replace("    - type: cpu", "      type: cpu")).stdout
    assert 'spec.triggers: Invalid value: "object"' in told
    assert "unknown field" not in told


def test_what_is_not_looked_at_is_said(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.yaml").write_text(BY_CPU)
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    others = "---\napiVersion: example.org/v1\nkind: Monitor\nmetadata: {name: x}\n"
    others += "---\napiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: x}\n"
    (tmp_path / "a.yaml").write_text(BY_CPU + others)
    result = run(str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [
        f"{tmp_path}/inner: folders in a folder are not looked into; name it too",
        f"{tmp_path}/empty.yaml: there is no object in it",
        "1 of 3 objects checked (not checked: 1 CronJob of batch/v1beta1, 1 Monitor): 0 errors, 0 warnings",
    ]
    summary = msgspec.json.decode(run(str(tmp_path), "-o", "json").stdout)["summary"]
    assert summary["not_checked"] == {"Monitor": 1, "CronJob of batch/v1beta1": 1}
    assert len(summary["skipped"]) == 2


def test_addresses_and_kinds_of_others_are_named() -> None:
    assert "https://x/a.yaml: error: URLs are not read; download it" in run("https://x/a.yaml").stdout
    old = BY_CPU.replace("keda.sh/v1alpha1", "keda.k8s.io/v1alpha1")
    assert "apiVersion: keda.k8s.io is of KEDA 1; write keda.sh/v1alpha1" in run("-", stdin=old).stdout
    source = "apiVersion: eventing.keda.sh/v1alpha1\nkind: CloudEventSource\nmetadata: {name: x}\n"
    result = run("-", stdin=source)
    assert "error: CloudEventSource/x: spec: Required value" in result.stdout
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{app: web}}\n    spec", "{app: other}}\n    spec", "`selector` does not match template `labels`"),
        (
            "image: any}, ",
            "image: any, comand: [x]}, ",
            'containers[0].comand: unknown field; did you mean "command"?',
        ),
        ("limits: {cpu: 1}", "limit: {cpu: 1}", 'resources.limit: unknown field; did you mean "limits"?'),
        (
            "name: main, image: any",
            "name: 5, image: any",
            "containers[0].name: Invalid value: 5: is not a text; write it",
        ),
        ("name: main, image: any", "name: main", "containers[0].image: Required value"),
    ],
)
def test_what_workloads_are_made_of_is_checked(old: str, new: str, told: str) -> None:
    assert run("-", stdin=TARGET).stdout == ""
    result = run("-", stdin=TARGET.replace(old, new))
    assert told in result.stdout
    assert result.exit_code == 1


def test_every_kind_that_local_mode_serves_is_checked() -> None:
    """Each as plain as can be, without a namespace too, is right; a field that none has is told of each."""
    plain = plain_objects("walk")
    result = run("-", stdin=plain)
    assert result.exit_code == 0, result.stdout
    assert "not checked" not in result.stderr
    bodies = [one for one in yaml.safe_load_all(plain) if not is_ours(one)]
    assert {f"{one['apiVersion']} {one['kind']}" for one in bodies} >= {
        "batch/v1 CronJob", "networking.k8s.io/v1 Ingress", "v1 PersistentVolumeClaim", "apps/v1 DaemonSet",
        "storage.k8s.io/v1 StorageClass", "rbac.authorization.k8s.io/v1 Role", "v1 ServiceAccount",
    }  # fmt: skip
    strange = yaml.safe_dump_all({**one, "extra": 1} for one in bodies)
    told = [line for line in run("-", stdin=strange).stdout.splitlines() if ": error: " in line]
    subjects = {f"{one['kind']}/{one['metadata']['name']}" for one in bodies}
    assert {line.split(": ")[2] for line in told if "extra: unknown field" in line} == subjects


def test_all_that_is_wrong_with_an_object_of_kubernetes_is_told_at_once() -> None:
    text = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * *"
  concurencyPolicy: Forbid
  jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: tool}]}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec: {rules: [{http: {paths: [{path: /, pathType: Regex, backend: {}}]}}]}
"""
    fields = [line.split(": ")[3] for line in run("-", stdin=text).stdout.splitlines()]
    assert sorted(fields) == [
        "spec.concurencyPolicy",
        "spec.jobTemplate.spec.template.spec.restartPolicy",
        "spec.rules[0].http.paths[0].backend",
        "spec.rules[0].http.paths[0].pathType",
        "spec.schedule",
    ]


def test_a_secret_that_is_wrong_is_told_and_not_shown() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: 123}\n"
    told = run("-", stdin=secret).stdout
    assert "Secret/s: stringData.password: Invalid value: is not a text; write it in quotes" in told
    assert "123" not in told


def test_what_helm_left_unset_is_told() -> None:
    unset = BY_CPU.replace("scaleTargetRef: {name: web}", 'scaleTargetRef: {name: "<no value>"}')
    [line] = run("-", stdin=unset).stdout.splitlines()
    assert line.endswith(
        "spec.scaleTargetRef.name: <no value> is what Helm writes for a value that is not set: set it"
    )
    [line] = run("-", stdin=BY_CPU.replace('"60"', "<no value>")).stdout.splitlines()
    assert "is not whole percent" in line
    assert "; this is what Helm writes for a value that is not set: set it" in line
