"""Makes the folder that stands for an image out of a recipe: files are copied, packages installed by pip.

Nothing on the machine changes but that folder. It comes whole, by a rename: a build that breaks off leaves
what was there before.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tidegate.base.errors import Misconfigured
from tidegate.local.nodes.images.dockerfile import Copy, Folders, Pip, Recipe, Runnable
from tidegate.local.nodes.images.table import Entry, File

PREFIX = "/opt/tidegate-image"
"""Where packages of pip are in the container."""
_MOST_LINKS = 40


def build(
    recipe: Recipe, context: Path, folder: Path, python: str, tell: Callable[[str], None] = print
) -> list[File]:
    """Makes `folder` from the files of `context`; what each container is to get of it.

    `python` is the interpreter that pods find; pip runs with it. Raises `Misconfigured` with the line.
    """
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    ignored = _ignored(context)
    for step in recipe.steps:
        match step:
            case Copy():
                tell(f"line {step.line}: copy {' '.join(step.sources)} to {step.target}")
                _copy(step, context, fresh, ignored)
            case Pip():
                tell(f"line {step.line}: pip install {' '.join(step.args)}")
                _pip(step, fresh, python)
            case Folders():
                for target in step.targets:
                    _below(fresh, target).mkdir(parents=True, exist_ok=True)
            case Runnable():
                _make_runnable(step, fresh)
    _below(fresh, recipe.working_dir).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return [File(str(place), f"/{place.relative_to(folder)}") for place in _tops(folder, folder)]


def entry(name: str, recipe: Recipe, base: Entry | None, files: Iterable[File]) -> Entry:
    """The row of the table for what was built, on that of the image it is built `FROM`.

    Where nothing says what runs, a container's own command does, with the image's files. Raises
    `Misconfigured` where there is nothing of either.
    """
    under = base or Entry(())
    if recipe.entrypoint is not None:
        # What the base runs is forgotten. Its files and variables stay; those of our entrypoints are its.
        kept = Entry(()) if under.entrypoint else under
        under = replace(
            Entry((), command=recipe.entrypoint),
            env=kept.env,
            working_dir=kept.working_dir,
            path=kept.path,
            files=kept.files,
        )
    files = tuple(files)
    env = {**under.env, **{name: value for name, value in recipe.env.items() if name != "PATH"}}
    path = [one for one in recipe.env.get("PATH", "").split(":") if one]
    path += _installed(files, "bin")
    if site := _installed(files, "site-packages", "dist-packages"):
        env["PYTHONPATH"] = ":".join(filter(None, [env.get("PYTHONPATH"), *site]))
    if not (under.command or recipe.command or under.default or under.files or recipe.steps):
        answer = f"neither CMD nor ENTRYPOINT says what runs, and what {recipe.base} runs is not known"
        raise Misconfigured("read the Dockerfile", on=name, answer=answer)
    return replace(
        under,
        images=(name,) if ":" in name.rpartition("/")[2] else (name, f"{name}:*"),
        default=under.default if recipe.command is None else recipe.command,
        env=env,
        working_dir=recipe.working_dir if recipe.working_dir != "/" else under.working_dir,
        path=(*path, *under.path),
        files=(*under.files, *files),
    )


def own_folder(images: Path, name: str) -> Path:
    """Where an image's files are kept; the hash tells names apart that are alike as file names."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    safe = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name)
    return images / f"{safe}-{digest}"


def _below(root: Path, place: str) -> Path:
    """Where a place of the image lies: links that were copied lead to places of the image, too."""
    found, left, hops = root, [*reversed(place.split("/"))], 0
    while left:
        part = left.pop()
        if part == "..":
            found = found if found == root else found.parent
        elif part not in ("", "."):
            found /= part
        if found != root and found.is_symlink():
            hops += 1
            if hops > _MOST_LINKS:
                raise Misconfigured("follow the links of the image", on=place, answer="they lead in circles")
            link = os.readlink(found)
            found = root if link.startswith("/") else found.parent
            left += reversed(link.split("/"))
    return found


def _copy(step: Copy, context: Path, root: Path, ignored: Callable[[Path], bool]) -> None:
    found = [one for source in step.sources for one in _sources(step, context, source) if not ignored(one)]
    is_folder = step.target.endswith("/") or len(found) > 1
    for source in found:
        if source.is_dir():
            _below(root, step.target).mkdir(parents=True, exist_ok=True)
            for inner in sorted(source.rglob("*")):
                if not ignored(inner) and (inner.is_symlink() or not inner.is_dir()):
                    _place(inner, root, f"{step.target}/{inner.relative_to(source)}")
        elif is_folder or _below(root, step.target).is_dir():
            _place(source, root, f"{step.target}/{source.name}")
        else:
            _place(source, root, step.target)


def _place(source: Path, root: Path, place: str) -> None:
    folder, _, name = place.rstrip("/").rpartition("/")
    target = _below(root, folder) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.exists():
        target.unlink()
    shutil.copy2(source, target, follow_symlinks=False)


def _make_runnable(step: Runnable, root: Path) -> None:
    for target in step.targets:
        file = _below(root, target)
        if not file.is_file():
            on, answer = f"line {step.line}", f"{target} was not copied before"
            raise Misconfigured("make a file of the Dockerfile runnable", on=on, answer=answer)
        file.chmod(file.stat().st_mode | 0o111)


def _sources(step: Copy, context: Path, pattern: str) -> list[Path]:
    found = [context] if pattern in (".", "./") else sorted(context.glob(pattern.removeprefix("./")))
    if not found:
        raise Misconfigured(
            "copy a file of the Dockerfile", on=f"line {step.line}", answer=f"there is no {context / pattern}"
        )
    return found


def _ignored(context: Path) -> Callable[[Path], bool]:
    """What `.dockerignore` leaves out; later lines win, `!` takes back."""
    try:
        lines = (context / ".dockerignore").read_text("utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    def is_ignored(path: Path) -> bool:
        name, answer = str(path.relative_to(context)), False
        for pattern in patterns:
            takes_back, bare = (
                pattern.startswith("!"),
                pattern.removeprefix("!").strip("/").removeprefix("./"),
            )
            parents = [name, *map(str, Path(name).parents)]
            if any(_matches(one, bare) for one in parents if one != "."):
                answer = not takes_back
        return answer

    return is_ignored


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("**/") and _matches(name, pattern[3:]):
        return True
    parts, wanted = name.split("/"), pattern.split("/")
    if "**" in wanted:
        return fnmatch.fnmatchcase(name, pattern.replace("**/", "*"))
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _pip(step: Pip, root: Path, python: str) -> None:
    cwd = _below(root, step.cwd)
    cwd.mkdir(parents=True, exist_ok=True)
    args = [str(_below(root, one)) if one.startswith("/") and _below(root, one).exists() else one
            for one in step.args]  # fmt: skip
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-warn-script-location"]
    command += ["--ignore-installed", "--root", str(root), "--prefix", PREFIX, *args]
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        lacks_pip = "No module named pip" in done.stdout
        raise Misconfigured(
            f"run `pip install {' '.join(step.args)}` of line {step.line}",
            on=python,
            answer=done.stdout.strip()[-2000:],
            next_step="install pip for it (Debian: apt-get install -y python3-pip)" if lacks_pip else "",
        )


def _installed(files: Iterable[File], *names: str) -> list[str]:
    """Folders of these names that pip made, as the container has them: where, is up to the interpreter."""
    found = []
    for one in files:
        if PREFIX.startswith(one.target.rstrip("/") + "/") or one.target == PREFIX:
            root = Path(one.source + PREFIX.removeprefix(one.target))
            for folder, folders, _ in os.walk(root):
                found += [Path(folder, name) for name in folders if name in names]
                folders[:] = [name for name in folders if name not in ("site-packages", "dist-packages")]
            return [f"{PREFIX}/{place.relative_to(root)}" for place in sorted(found)]
    return []


def _tops(root: Path, folder: Path) -> Iterator[Path]:
    """The highest folders that the machine has not, and files that lie in folders that it has."""
    for place in sorted(folder.iterdir()):
        on_machine = Path("/") / place.relative_to(root)
        if place.is_dir() and not place.is_symlink() and on_machine.is_dir():
            yield from _tops(root, place)
        else:
            yield place
