"""Manifests at random: right ones by our own schemas, spoilt ones, and their texts.

Objects follow the schemas of the custom resource definitions and the settings that triggers declare, so a
new field or trigger is tried by existing. Spoiling puts, removes, doubles and renames anything anywhere.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from tidegate import scalers
from tidegate.api.schema.crds import crds
from tidegate.api.yamltext import Dumper
from tidegate.cli.manifests.files import load
from tidegate.core.control_annotations import (
    FORCE_ACTIVATION,
    PAUSED,
    PAUSED_REPLICAS,
    PAUSED_SCALE_IN,
    PAUSED_SCALE_OUT,
)
from tidegate.kit.settings import Declared, settings_of

Object = dict[str, Any]
Step = str | int

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEMAS: dict[str, Object] = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for crd in crds()
}


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": [value]}
    return value


TEXTS = st.sampled_from(
    [
        "", " ", "0", "1", "-1", "+1", "01", "1.5", ".5", "1e3", "1e-400", "1e400", "NaN", "nan", "Infinity",
        "-Infinity", "9" * 30, "9" * 5000, "0x10", "²", "٣", "true", "TRUE", "yes", "null", "~", "a", "a b",
        "a=b", "a in (b, c)", "a notin (", "!a", "a>9999999999999999999999", "é", "\N{PILE OF POO}", "\u202e",
        "\u0000", "a\nb", "\t", "x" * 64, "x" * 254, "x" * 10_000, "A", "-a", "a.b", "a/b", "../../etc", "%",
        "{{ .Values.x }}", "${HOME}", "*", "* * * * *", "0 8 * * 1-5", "0 0 30 2 *", ", , , , ,",
        "*/0 * * * *", "59-0 * * * *", "TZ=Mars/Phobos 0 8 * * *", "TZ=UTC 0 8 * * *", "UTC", "Europe/Berlin",
        "Local", "redis:6379", "redis://u:p@h:99999/0", "[::1]:6379", "host:port", "1h", "-1s", "1d", "100m",
        "1Ki", "1e9E", "2026-01-31T08:00:00Z", "apps/v1", "keda.sh/v1alpha1", "Deployment", "Job", "Value",
        "AverageValue", "Utilization", "cpu", "memory", "cron", "redis", "kubernetes-workload", "nope",
        "a + b", "a +", "a / 0", "1 / 0", "[1, 2][9]", "a ?? b", "sum([a, b])", "(" * 200, "2 ** 99999",
        "immediate", "gradual", "scalingModifiers", "currentReplicas", "static", "Disabled",
    ]
)  # fmt: skip
NUMBERS = st.sampled_from(
    [-(2**63), -(2**31) - 1, -1, 0, 1, 2, 5, 99, 101, 2**31 - 1, 2**31, 2**53 + 1, 2**63, 2**64]
)
ODD: st.SearchStrategy[Any] = st.one_of(
    TEXTS,
    NUMBERS,
    st.sampled_from([-0.0, 0.5, 1.5, 1.0, -1.5, 1e19, 1e308, 5e-324]),
    st.sampled_from([None, True, False, [], {}, [[]], [None], {"": ""}, {"a": None}, ["a", "a"]]),
    st.sampled_from(
        [nested(3), nested(60), {"name": "a"}, {"type": "redis"}, {"type": "cpu", "metadata": {}}]
    ),
)

GOOD: dict[str, list[str]] = {
    "string": ["a", "jobs", "redis:6379", "0 8 * * *", "0 18 * * *", "UTC", "app=load", "50", "500m"],
    "integer": ["1", "5", "0", "3", "250"],
    "number": ["1", "2.5", "0", "0.001"],
    "boolean": ["true", "false"],
    "duration": ["1s", "250ms"],
}
BY_NAME: dict[str, list[str]] = {
    "timezone": ["UTC", "Europe/Berlin"],
    "start": ["0 8 * * *", "0 0 31 12 *", "0 0 30 2 *", "*/5 * * * *"],
    "end": ["0 18 * * *", "0 8  * * *", "30 2 31 3 *"],
    "podSelector": ["app=load", "tier in (web, api)"],
    "value": ["50", "2.5", "500m", "1"],
    "address": ["redis:6379"],
    "addresses": ["a:6379, b:6379"],
    "formula": ["a", "a + b", "max([a, b])", "a > 5 ? a : b", "count([a], # > 1)"],
    "target": ["1", "0.5"],
    "activationTarget": ["0", "2"],
    "customScalingRunningJobPercentage": ["0.5"],
    "metricType": ["AverageValue", "Value", "Utilization"],
}
ANNOTATIONS = (PAUSED, PAUSED_REPLICAS, PAUSED_SCALE_IN, PAUSED_SCALE_OUT, FORCE_ACTIVATION)


def texts_of(one: Declared) -> st.SearchStrategy[str]:
    """Texts for a declared setting: mostly right ones."""
    good = list(one.shape.choices) or BY_NAME.get(one.name) or GOOD.get(one.shape.word) or ["a, b"]
    return st.sampled_from(good)


def _trigger(trigger_type: str) -> st.SearchStrategy[Object]:
    kind = scalers.find(trigger_type)
    assert kind is not None
    declared = [one for one in settings_of(kind) if not one.setting.removal]
    required = {one.name: texts_of(one) for one in declared if one.is_required}
    optional = {name: texts_of(one) for one in declared for name in one.setting.names if name not in required}
    optional |= {"unknownKey": st.just("x"), "passwordFromEnv": st.just("PASSWORD")}
    return st.fixed_dictionaries(
        {"type": st.just(trigger_type), "metadata": st.fixed_dictionaries(required, optional=optional)},
        optional={
            "name": st.sampled_from(["a", "b", "c"]),
            "metricType": st.sampled_from(["AverageValue", "Value", "Utilization"]),
            "useCachedMetrics": st.booleans(),
            "authenticationRef": st.just({"name": "redis"}),
        },
    )


TRIGGERS = st.lists(st.one_of([_trigger(one) for one in scalers.types()]), min_size=1, max_size=3)
TEMPLATE = st.sampled_from(
    [
        {"spec": {"containers": [{"name": "w", "image": "busybox"}]}},
        {"spec": {"containers": [{"name": "w", "resources": {"requests": {"cpu": "1"}}}]}},
        {"spec": {"containers": [{"name": "w"}, {"name": "x"}], "restartPolicy": "Never"}},
    ]
)


def right(schema: Object, name: str = "") -> st.SearchStrategy[Any]:
    """Values that a schema takes."""
    if name == "triggers":
        return TRIGGERS
    if name == "template":
        return TEMPLATE
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        return st.sampled_from([1, "1", "0.1", "500m"])
    if kind == "object":
        return _right_object(schema)
    if kind == "array":
        items = right(schema.get("items", {}))
        return st.lists(items, min_size=schema.get("minItems", 0), max_size=2)
    if kind == "integer":
        low = max(0, schema.get("minimum", 0))
        return st.sampled_from([low, low + 1, low + 4, 30])
    if kind == "boolean":
        return st.booleans()
    if schema.get("format") == "date-time":
        return st.just("2026-01-31T08:00:00Z")
    return st.sampled_from(BY_NAME.get(name) or ["a", "web"])


def _right_object(schema: Object) -> st.SearchStrategy[Object]:
    properties: Object = schema.get("properties") or {}
    if not properties:
        inner = schema.get("additionalProperties")
        values = right(inner) if isinstance(inner, dict) else st.just("a")
        return st.dictionaries(st.sampled_from(["a", "b", "matchLabels"]), values, max_size=2)
    required = schema.get("required") or ()
    return st.fixed_dictionaries(
        {name: right(properties[name], name) for name in required},
        optional={name: right(one, name) for name, one in properties.items() if name not in required},
    )


METADATA = st.fixed_dictionaries(
    {"name": st.sampled_from(["web", "a-b", "x" * 54])},
    optional={
        "namespace": st.just("shop"),
        "labels": st.dictionaries(st.sampled_from(["app", "a/b"]), st.sampled_from(["", "v"]), max_size=2),
        "annotations": st.dictionaries(
            st.sampled_from(ANNOTATIONS), st.sampled_from(["true", "false", "3", "many", ""]), max_size=2
        ),
    },
)


def _object(kind: str) -> st.SearchStrategy[Object]:
    schema = SCHEMAS[kind]
    fields = {"spec": right(schema["properties"]["spec"], "spec")}
    return st.fixed_dictionaries(
        {"apiVersion": st.just("keda.sh/v1alpha1"), "kind": st.just(kind), "metadata": METADATA, **fields},
        optional={"status": right(schema["properties"]["status"])},
    )


# A chart's files are manifests only when Helm has rendered them.
EXAMPLE_FILES = [file for file in sorted(EXAMPLES.rglob("*.yaml")) if "charts" not in file.parts]
EXAMPLE_BODIES = [document.body for file in EXAMPLE_FILES for document in load((str(file),))]
OBJECTS = st.one_of(*(_object(kind) for kind in SCHEMAS), st.sampled_from(EXAMPLE_BODIES))


def places(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """The path of everything inside `value`."""
    for step, item in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield (*path, step)
        yield from places(item, (*path, step))


OPERATIONS = ("put", "put", "put", "remove", "rename", "double", "add", "swap")


@st.composite
def spoilt(draw: st.DrawFn) -> Object:
    """An object with up to three mistakes, anywhere."""
    # Strategies hand out the same constants each time.
    body: Object = copy.deepcopy(draw(OBJECTS))
    for _ in range(draw(st.integers(0, 3))):
        # Deep texts of odd values are no places of their own.
        found = [path for path in places(body) if len(path) < 20]
        if not found:
            break
        _spoil(draw, body, found[draw(st.integers(0, len(found) - 1))], found)
    return body


def _spoil(draw: st.DrawFn, body: Object, path: tuple[Step, ...], found: list[tuple[Step, ...]]) -> None:
    inner: Any = body
    last: Any = path[-1]
    for step in path[:-1]:
        inner = inner[step]
    operation = draw(st.sampled_from(OPERATIONS))
    if operation == "put":
        inner[last] = copy.deepcopy(draw(ODD))
    elif operation == "remove":
        del inner[last]
    elif operation == "double" and isinstance(inner, list):
        inner.append(copy.deepcopy(inner[last]))
    elif operation in ("rename", "add", "double") and isinstance(inner, dict):
        name = draw(st.one_of(TEXTS, st.sampled_from(["Name", f"{last}s", "spec", "metadata"])))
        inner[name] = inner.pop(last) if operation == "rename" else copy.deepcopy(draw(ODD))
    elif operation == "swap":
        other: Any = body
        for step in found[draw(st.integers(0, len(found) - 1))]:
            other = other[step]
        inner[last] = copy.deepcopy(other)


PIECES = st.sampled_from(
    [
        "\t", " ", "  ", "\n", ":", ": ", "- ", "-", "#", "'", '"', "[", "]", "{", "}", ",", "|", ">",
        "\r", "\r\n", "&a ", "*a", "*b", "<<: *a\n", "a: &a [*a]\n", "? ", "@", "`", "{{ x }}", "---\n",
        "...\n", "%TAG ! x\n", "!!binary ", "!!set ", "!!timestamp ", "!!int ", "!!float ", "!!bool ",
        "!!null ", "!!str ", "!!omap ", "!!python/object:os.system ", "!x ", "%YAML 1.1\n", "0o17",
        "017", "1:30", "2026-01-31", ".nan", ".inf", "-.INF", "1e999", "9" * 500, "~", "null: ", "1: ",
        "true: ", "1.5: ", "[a]: ", "\ufeff", "\x00", "\x7f", "\x85", "\u2028", "\ud800",
        "\N{PILE OF POO}", "\\ud83d\\ude00", '"\\ud83d"', "kind: ", "items: ", "apiVersion: v1\n",
        "[" * 101, "- " * 101, "{a: " * 101,
    ]
)  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> str:
    """The YAML or JSON of one or more objects, spoilt as a text in up to four places."""
    bodies = draw(st.lists(spoilt(), min_size=1, max_size=2))
    if draw(st.booleans()):
        bodies = [{"apiVersion": "v1", "kind": "List", "items": bodies}]
    text = "---\n".join(written(draw, body) for body in bodies)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.sampled_from([0, 0, 0, 1, 2, 10]))
        text = text[:at] + draw(PIECES) + text[at + cut :]
    return text


def written(draw: st.DrawFn, body: Any) -> str:
    style = draw(st.sampled_from(["block", "flow", "json", "ascii"]))
    if style in ("json", "ascii"):
        return json.dumps(body, ensure_ascii=style == "ascii", indent=draw(st.sampled_from([None, 2]))) + "\n"
    is_flow = style == "flow"
    return str(
        yaml.dump(body, Dumper=Dumper, default_flow_style=is_flow, allow_unicode=True, sort_keys=False)
    )
