"""Runs the benchmark and writes `bench/results/<date>-<machine>.md` and `.json`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import (
    changes,
    claimed,
    deciding,
    families,
    hpas,
    machine,
    metered,
    pod_networks,
    pods,
    push,
    pushed,
    rounds,
    startup,
)
from bench.figures import Figure
from bench.report import ended

PARTS = (
    *("deciding", "changes", "starting", "pods", "push", "pushed", "claimed"),
    *("rounds", "metered", "families", "hpas"),
)
DRY_WINDOW_S = 5.0


def main() -> int:
    """The exit code: 1 when a count that must hold does not."""
    # A benchmark that is stopped ends its servers, as at any other end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    about = machine.description()
    figures: list[Figure] = []
    for title, measure in _plan(options):
        print(f"measuring {title} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
            figures += measure(Path(folder))
    return ended(about, figures, is_dry=options.dry)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part (repeatable)")
    parser.add_argument("--triggers", type=int, nargs="+", default=[1, 1_000, 10_000])
    parser.add_argument(
        "--window", type=float, default=rounds.WINDOW_S, help="seconds of quiet time measured"
    )
    parser.add_argument("--pods", type=int, help="of the pods, so many at rest (300; with --dry 20)")
    parser.add_argument("--pushes", type=int, default=push.PUSHES)
    parser.add_argument(
        "--family",
        choices=families.FAMILIES,
        action="append",
        help="of the families, measure this one (repeatable)",
    )
    parser.add_argument(
        "--pushed",
        choices=pushed.SOURCES,
        action="append",
        help="of the servers that tell of changes, measure this one (repeatable)",
    )
    parser.add_argument(
        "--stopped",
        action="store_true",
        help="poll nothing in the windows of rounds and families: their lower limits must be broken",
    )
    parser.add_argument("--dry", action="store_true", help="print only, write no file; few pods")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> list[tuple[str, Callable[[Path], list[Figure]]]]:
    wanted = options.only or PARTS
    plan: list[tuple[str, Callable[[Path], list[Figure]]]] = []
    quiet = {"window_s": options.window, "is_stopped": options.stopped}
    if "deciding" in wanted:
        plan.append(("decisions", deciding.measure))
    if "changes" in wanted:
        plan.append(("changes", changes.measure))
    if "starting" in wanted:
        plan.append(("starts", startup.measure))
    if "pods" in wanted:
        count = options.pods or (pod_networks.AT_ONCE if options.dry else pod_networks.MANY)
        window_s = min(options.window, DRY_WINDOW_S) if options.dry and not options.pods else options.window
        plan.append(("pods", partial(pods.measure, pods=count, window_s=window_s)))
    if "push" in wanted:
        plan.append(("pushes", partial(push.measure, pushes=options.pushes)))
    if "pushed" in wanted:
        for name in options.pushed or pushed.SOURCES:
            plan.append((f"what {name} tells", partial(pushed.measure, name=name, pushes=options.pushes)))
    if "claimed" in wanted:
        plan.append(("claimed Jobs", partial(claimed.jobs, messages=20 if options.dry else claimed.MESSAGES)))
        few = {"claims": 50, "window_s": DRY_WINDOW_S, "lease_s": 6}
        size = few if options.dry else {"window_s": min(options.window, claimed.WINDOW_S)}
        for name in claimed.HELD:
            plan.append((f"claims of {name}", partial(claimed.held, name=name, **size)))
    if "rounds" in wanted:
        for size in options.triggers:
            plan.append((f"{size:,} triggers", partial(rounds.measure, triggers=size, **quiet)))
    if "metered" in wanted:
        plan.append(("metered sources", metered.measure))
    if "families" in wanted:
        for name in options.family or families.FAMILIES:
            plan.append((f"{name} triggers", partial(families.measure, name=name, **quiet)))
    if "hpas" in wanted:
        plan.append(("questions of HPAs", partial(hpas.measure, window_s=options.window)))
    return plan


if __name__ == "__main__":
    sys.exit(main())
