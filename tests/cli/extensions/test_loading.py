"""Types of other packages: imported where they are allowed, and what is wrong with one costs only it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from parts.packages import CONNECTION, GOOD, Packages
from tidegate import scalers
from tidegate.api.decode import decode_as
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Misconfigured
from tidegate.cli.extensions.loading import load
from tidegate.cli.extensions.skeleton_files import skeleton
from tidegate.connections import pool
from tidegate.kit.reading import Sources
from tidegate.review.manifest import review
from tidegate.testing import Sample, sheet_of
from tidegate.testing.rules import rules_for

OBJECT = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {name: web}
  triggers:
    - {type: things, metadata: {place: shelf}}
    - {type: cron, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 20 * * *, desiredReplicas: "2"}}
"""
LEAVES_A_TRACE = "\nfrom pathlib import Path\nPath('imported').touch()\n"


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    (tmp_path / "object.yaml").write_text(OBJECT)
    return Packages(tmp_path)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    """Packages that this very process may import."""
    monkeypatch.syspath_prepend(tmp_path)
    yield Packages(tmp_path)
    scalers.send_back()
    pool.send_back()
    for name in ("acme", "acme_connection"):
        sys.modules.pop(name, None)


def problems() -> list[str]:
    """What is wrong with the object."""
    object = decode_as(ScaledObject, yaml.safe_load(OBJECT))
    reviewed = review(object, lambda index: Sources(object.spec.triggers[index].metadata))
    return [str(one) for one in reviewed.problems]


def test_an_allowed_type_is_measured_by_its_own_connection(packages: Packages) -> None:
    packages.install("acme")
    done = packages.run("poll", "object.yaml", "-o", "json", "--allow-triggers", "things")
    assert done.returncode == 0, done.stderr
    (value,) = [one["value"] for one in json.loads(done.stdout) if one["metric"] == "s0-things"]
    assert value == 5


def test_no_command_imports_what_is_not_allowed(packages: Packages) -> None:
    packages.install("acme", GOOD + LEAVES_A_TRACE)
    for command in ("validate", "poll"):
        done = packages.run(command, "object.yaml")
        told = (
            "no scaler found for type: things; acme 1.0 would bring it: allow it with --allow-triggers things"
        )
        assert told in done.stdout + done.stderr
    packages.run("triggers")
    packages.run("triggers", "things")
    assert not (packages.folder / "imported").exists()
    packages.run("triggers", TIDEGATE_ALLOW_TRIGGERS="things")
    assert (packages.folder / "imported").exists()


def test_the_list_says_what_is_installed_and_not_allowed(packages: Packages) -> None:
    packages.install("acme")
    assert "not allowed: things of acme 1.0" in packages.run("triggers").stderr
    assert "--allow-triggers things" in packages.run("triggers", "things").stderr
    allowed = packages.run("triggers", "--allow-triggers", "things")
    assert allowed.stderr == ""
    assert any(line.split()[0] == "things" for line in allowed.stdout.splitlines())


def test_names_that_cannot_be_are_refused_at_the_start_all_at_once(packages: Packages) -> None:
    packages.install("acme")
    packages.install("other")
    packages.install("bold", trigger_type="redis", system="bold")
    done = packages.run("validate", "object.yaml", "--allow-triggers", "things,redis,none", "--show", "hpa")
    assert done.returncode != 0
    for part in (
        '"things" is brought by acme 1.0 and by other 1.0: uninstall one',
        '"redis" is a type of Tidegate\'s own',
        'no installed package brings a type "none"',
    ):
        assert part in done.stderr


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (GOOD.replace('TIDEGATE_API = "1.0"\n', ""), "does not say for which API"),
        (GOOD.replace('"1.0"', "1.0", 1), "its TIDEGATE_API is 1.0, and not a text such as"),
        (
            GOOD.replace('"1.0"', '"1.9"', 1),
            "written for API 1.9, and this is 1.1: it needs a newer Tidegate",
        ),
        (
            GOOD.replace('"1.0"', '"2.0"', 1),
            "written for API 2.0, and this is 1.1: it needs a newer Tidegate",
        ),
        (GOOD.replace('"1.0"', '"0.9"', 1), "and this is 1.1: look for a newer version of the package"),
        (GOOD.replace('types = ("things",)', 'types = ("thing",)'), '"things" (found: thing)'),
        (GOOD.replace("@declared\n", ""), "not decorated with @declared"),
        ("raise RuntimeError('no')\n", "importing acme failed: RuntimeError: no"),
        ("import sys\nsys.exit(3)\n", "importing acme failed: SystemExit"),
        ("import nothing_of_that_name\n", "importing acme failed: ModuleNotFoundError"),
        ("def broken(:\n", "importing acme failed: SyntaxError"),
    ],
)
def test_what_is_wrong_with_a_package_costs_only_its_type(here: Packages, module: str, told: str) -> None:
    here.install("acme", module)
    (line,) = load(["things"])
    assert line.startswith("trigger type things is not there: acme 1.0: ")
    assert told in line
    (wrong,) = problems()
    assert wrong.startswith("spec.triggers[0].type: no scaler found for type: things; acme 1.0: ")
    assert told in wrong


def test_an_example_that_takes_its_secret_from_a_variable_keeps_the_contract(here: Packages) -> None:
    sources = "secret=True, sources=(AUTHENTICATION, ENVIRONMENT))"
    module = GOOD.replace("    place: shelf", "    placeFromEnv: THE_PLACE").replace(
        'doc="Where.")', 'doc="Where.", ' + sources
    )
    module = module.replace("import declared", "import AUTHENTICATION, ENVIRONMENT, declared")
    here.install(
        "acme",
        module.replace(
            "    place: str\n\n\n@declared", "    place: str = field(repr=False)\n\n\n@declared"
        ).replace("import dataclass", "import dataclass, field"),
    )
    assert load(["things"]) == ()
    kind = scalers.find("things")
    assert kind is not None
    for rule in rules_for(kind):
        rule(sheet_of(kind, "things"))
    assert sheet_of(kind, "things", Sample(auth={"THE_PLACE": "attic"})).scaler().place == "attic"


def test_an_import_that_does_not_end_is_given_up(here: Packages) -> None:
    here.install("endless", "import threading\nthreading.Event().wait()\n")
    (line,) = load(["things"], within_s=0.2)
    assert line == "trigger type things is not there: endless 1.0: importing endless took longer than 0.2 s"
    assert len(problems()) == 1


@pytest.mark.parametrize(
    ("connection", "system", "told"),
    [
        ("", "things", "has no `connect(server, surroundings)`"),
        ("raise KeyError('x')", "things", "importing acme_connection failed: KeyError"),
        ("def connect(*_): ...", "redis", 'the system "redis" has a connection already'),
    ],
)
def test_a_connection_that_cannot_be_costs_its_type(
    here: Packages, connection: str, system: str, told: str
) -> None:
    here.install("acme", connection=connection, system=system)
    (line,) = load(["things"])
    assert told in line
    assert len(problems()) == 1


NAMED = '        return "things"'
RAISES = '        raise OSError("s3cret")'


@pytest.mark.parametrize(
    "broken",
    [
        RAISES,
        *(f"{NAMED}\n\n    def {one}(self):\n{RAISES}" for one in ("check", "notices", "metric_target")),
    ],
    ids=["metric_name", "check", "notices", "metric_target"],
)
def test_a_defect_of_its_class_is_a_problem_of_that_trigger(here: Packages, broken: str) -> None:
    first, last = GOOD.split('        return "things"\n\n    async def measure')
    here.install("acme", f"{first}{broken}\n\n    async def measure{last}")
    assert load(["things"]) == ()
    assert problems() == ["spec.triggers[0]: acme.Things has a defect: OSError"]


@pytest.mark.parametrize("method", ["measure", "answer"])
def test_an_exception_while_measuring_is_a_failure_of_that_trigger(packages: Packages, method: str) -> None:
    module, connection = GOOD, CONNECTION
    if method == "measure":
        module = GOOD.replace("        question =", '        raise OSError("s3cret")\n        question =')
    else:
        connection = CONNECTION.replace(
            "        return [len", '        raise OSError("s3cret")\n        return [len'
        )
    packages.install("acme", module, connection=connection)
    done = packages.run("poll", "object.yaml", "-o", "json", "--allow-triggers", "things")
    first, second = json.loads(done.stdout)
    assert "OSError" in first["failure"]
    assert not second["failure"]


@pytest.mark.parametrize("name", ["Tickets", "two words", "a--b", "", "-x", "a" * 41])
def test_a_name_that_is_none_makes_no_package(name: str) -> None:
    with pytest.raises(Misconfigured, match="is no name for one"):
        skeleton(name)


def test_a_name_of_tidegates_own_makes_no_package(packages: Packages) -> None:
    assert "is a type of Tidegate's own" in packages.run("new", "trigger", "redis").stderr
    assert not list(packages.folder.glob("tidegate-*"))


def test_nothing_that_is_there_is_overwritten(packages: Packages) -> None:
    (packages.folder / "tidegate-mine").mkdir()
    (packages.folder / "tidegate-mine" / "notes").write_text("keep")
    assert packages.run("new", "trigger", "mine").returncode == 1
    assert [one.name for one in (packages.folder / "tidegate-mine").iterdir()] == ["notes"]
