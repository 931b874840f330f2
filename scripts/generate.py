"""Write again every file that is generated; with --check, only say which are out of step (exit 1)."""

from __future__ import annotations

import sys
import tempfile
import textwrap
from pathlib import Path

import chart
import yaml

from tidegate import scalers
from tidegate.api.schema import crds
from tidegate.cli.wiring import settings_page
from tidegate.local.apiserver.honoured import page as fields_page
from tidegate.scalers import pages
from tidegate.telemetry.metrics import page as metrics_page

ROOT = Path(__file__).parent.parent
PROGRAMS = ROOT / "examples" / "programs"

EXAMPLE_PROGRAMS = {
    "ci-runners/00-programs.yaml": ("runner-programs", ("small_github.py", "run_job.py", "queue_jobs.py")),
    "csv-pipeline/03-programs.yaml": ("csv-programs", ("redis_lite.py", "generate.py", "process.py")),
    "csv-claimed/03-programs.yaml": ("claimed-programs", ("redis_lite.py", "generate.py", "sum_file.py")),
    "own-metrics/00-programs.yaml": ("shop-programs", ("small_shop.py", "shop_work.py", "shop_add.py")),
    "rabbitmq-jobs/00-programs.yaml": ("rabbitmq-programs", ("amqp_lite.py", "consume.py", "publish.py")),
    "rabbitmq-workers/00-programs.yaml": ("media-programs", ("amqp_lite.py", "consume.py", "publish.py")),
    "event-hub-crawler/00-programs.yaml": (
        "crawler-programs",
        ("storage_lite.py", "small_event_hub.py", "put_events.py", "crawl.py"),
    ),
    "image-uploads/00-programs.yaml": (
        "image-programs",
        ("storage_lite.py", "upload_images.py", "make_thumbnails.py"),
    ),
    "task-processor/00-programs.yaml": (
        "task-programs",
        ("storage_lite.py", "put_tasks.py", "process_task.py"),
    ),
    "web-and-worker/00-programs.yaml": (
        "web-programs",
        ("redis_lite.py", "web.py", "drain.py", "web_work.py", "ask_web.py", "send_jobs.py"),
    ),
    "queue-worker/00-programs.yaml": ("queue-programs", ("redis_lite.py", "send.py", "work.py")),
}


class Block(str):
    """Text that YAML shows as a literal block."""


yaml.SafeDumper.add_representer(
    Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def program_map(name: str, files: tuple[str, ...]) -> str:
    """A ConfigMap manifest with these files of examples/programs."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {file: Block((PROGRAMS / file).read_text()) for file in files},
    }
    text = yaml.safe_dump(body, sort_keys=False, width=200, allow_unicode=True)
    return f"# Generated from examples/programs; edit there and run `make generate`.\n{text}"


def conformance_page() -> str:
    """The list of behaviours as a page: how many are in which state, then each with its tests."""
    sections = yaml.safe_load((ROOT / "conformance" / "behaviours.yaml").read_text())
    states = {"tests": "Tested", "deviates": "Deviates", "later": "Later", "untested": "Untested"}
    rows, parts, total = [], [], [0] * len(states)
    for section in sections:
        entries = section["behaviours"]
        counts = [sum(state in entry for entry in entries) for state in states]
        total = [sum(pair) for pair in zip(total, counts, strict=True)]
        rows.append(f"| {section['section']} | {' | '.join(map(str, counts))} |")
        parts.append(f"\n## {section['section']}\n")
        for entry in entries:
            (state,) = states.keys() & entry.keys()
            if state == "tests":
                split = (node.partition("::") for node in entry["tests"])
                found = "; ".join(f"[{name}](../{file})" for file, _, name in split)
            else:
                found = entry[state]
            parts.append(f"- **{entry['id']}** {entry['behaviour']}<br>{states[state]}: {found}")
    rows.append(f"| **All** | {' | '.join(f'**{count}**' for count in total)} |")
    head = f"| Section | {' | '.join(states.values())} |\n| --- |{' ---: |' * len(states)}"
    return f"""<!-- Generated from conformance/behaviours.yaml; edit there and run `make generate`. -->
# Conformance

KEDA's behaviours, in our words, and where each one stands. *Tested*: the tests named hold it.
*Deviates*: Tidegate does otherwise on purpose, see [Where Tidegate differs from KEDA](deviations.md).
*Later*: not offered yet. *Untested*: believed to hold, but no test names it, or not in full.

{head}
{chr(10).join(rows)}
{chr(10).join(parts)}
"""


BEGIN, END = "<!-- triggers: written by `make generate` -->\n", "<!-- end of triggers -->"


def readme() -> str:
    """The README with the trigger types that there are; the rest of it is written by hand."""
    before, begin, rest = (ROOT / "README.md").read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit("README.md: the marks around the trigger types are missing")
    types = scalers.types()
    names = ", ".join(f"`{name}`" for name in types)
    page = "[one page each](docs/reference/triggers/index.md)"
    text = (
        f"{len(types)} trigger types, {page} with what a poll costs and what it was tested against: {names}."
    )
    lines = textwrap.wrap(text, 118, break_on_hyphens=False, break_long_words=False)
    return before + begin + "\n".join(lines) + "\n" + end + after


def messages() -> dict[Path, str]:
    """What the protocol compiler makes of each `.proto` beside the adapter that speaks it."""
    from grpc_tools import protoc

    files: dict[Path, str] = {}
    for proto in sorted((ROOT / "src" / "tidegate" / "connections").rglob("*.proto")):
        with tempfile.TemporaryDirectory() as folder:
            outputs = (f"--python_out={folder}", f"--pyi_out={folder}")
            if protoc.main(["protoc", f"-I{proto.parent}", *outputs, proto.name]) != 0:
                raise SystemExit(f"{proto} does not compile")
            for made in sorted(Path(folder).iterdir()):
                head = f"# Generated from {proto.name}: edit there, then run `make generate`.\n"
                files[proto.parent / made.name] = head + made.read_text()
    return files


MONITORING = ROOT / "deploy" / "monitoring"


def prometheus_rule() -> str:
    """The alert rules as a manifest for the Prometheus operator."""
    groups = (MONITORING / "alerts.yaml").read_text().partition("\ngroups:\n")[2]
    return (
        "# Generated from alerts.yaml; edit there and run `make generate`.\n"
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        "metadata:\n"
        "  name: tidegate\n"
        "spec:\n"
        "  groups:\n" + textwrap.indent(groups, "  ")
    )


def wanted() -> dict[Path, str]:
    """Every generated file with the text it must have."""
    files = {ROOT / "deploy" / "crds" / name: text for name, text in crds.render().items()}
    files |= chart.render(crds.render())
    files |= {ROOT / path: text for path, text in pages.render().items()}
    files[ROOT / "docs" / "reference" / "settings.md"] = settings_page.render()
    files[ROOT / "docs" / "reference" / "local-fields.md"] = fields_page.render()
    files[ROOT / "docs" / "reference" / "metrics.md"] = metrics_page.render()
    files[MONITORING / "prometheus-rule.yaml"] = prometheus_rule()
    files |= messages()
    files[ROOT / "README.md"] = readme()
    files[ROOT / "docs" / "conformance.md"] = conformance_page()
    files |= {
        ROOT / "examples" / path: program_map(name, parts) for path, (name, parts) in EXAMPLE_PROGRAMS.items()
    }
    return files


def main() -> int:
    is_check = "--check" in sys.argv[1:]
    stale = []
    files = wanted()
    if is_check:
        files[chart.PLAIN] = chart.as_signed()
    for path, text in files.items():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not is_check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    # It is rendered from files, which had to be written first.
    if not is_check and chart.write_plain():
        stale.append(str(chart.PLAIN.relative_to(ROOT)))
    for name in stale:
        print(f"{'out of step, run `make generate`' if is_check else 'written'}: {name}")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
