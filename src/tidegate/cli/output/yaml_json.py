"""Objects as text: JSON and YAML as kubectl prints them."""

from __future__ import annotations

import json
from typing import Any

Object = dict[str, Any]


def listing(items: list[Object]) -> Object:
    """Several objects as one."""
    return {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}


def text(item: Object, form: str) -> str:
    """`json` or `yaml`, with sorted keys, without metadata.managedFields."""
    return dumped(without_fields(item), form)


def dumped(shown: Object, form: str) -> str:
    """Any values in the same form."""
    if form == "json":
        return json.dumps(shown, indent=4, sort_keys=True, ensure_ascii=False) + "\n"
    import yaml

    from tidegate.api.yamltext import Dumper

    class Blocks(Dumper):
        """Texts of several lines as blocks."""

    def as_text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Blocks.add_representer(str, as_text)
    told: str = yaml.dump(shown, Dumper=Blocks, allow_unicode=True, width=1000, default_flow_style=False)
    return told


def without_fields(item: Object) -> Object:
    if isinstance(item.get("items"), list):
        return {**item, "items": [without_fields(one) for one in item["items"]]}
    metadata = item.get("metadata") or {}
    return {**item, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}


def name_line(item: Object) -> str:
    """`deployment.apps/redis`."""
    group = item.get("apiVersion", "").rpartition("/")[0]
    kind = item.get("kind", "").lower()
    return f"{kind}.{group}/{item['metadata']['name']}" if group else f"{kind}/{item['metadata']['name']}"
