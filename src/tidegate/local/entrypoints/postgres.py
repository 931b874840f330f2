"""PostgreSQL as the `postgres` images start it: a database is made at the first start, then served.

Honoured: `POSTGRES_PASSWORD`, `POSTGRES_USER`, `POSTGRES_DB` and `POSTGRES_INITDB_ARGS` (each with `_FILE`
too), `POSTGRES_HOST_AUTH_METHOD`, `POSTGRES_INITDB_WALDIR`, `PGDATA`, and `/docker-entrypoint-initdb.d`
with `.sql`, `.sql.gz`, `.sql.xz` and `.sh`. The server is that of this machine, whatever the tag says.

Where the image trusts whoever comes from 127.0.0.1, this does not: here that is every pod. A start that
was cut short begins anew; what is in PGDATA is a whole database or none.

Source: https://github.com/docker-library/docs/tree/master/postgres
"""

from __future__ import annotations

import locale
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from tidegate.local.entrypoints import first_start
from tidegate.local.entrypoints.box import Box, Refused

USER = "postgres"

PORT = "5432"
# Where the image keeps data, below which PGDATA lies, but for who says otherwise.
KEPT = Path("/var/lib/postgresql")
WHOLE = "tidegate-whole"
SOCKETS = "tidegate"
# A path of a socket may have 107 characters.
SOCKET_FOLDER_CHARS = 107 - len("/.s.PGSQL.12345.lock")

# The image is stopped by SIGINT: SIGTERM has the server wait for its clients to go.
STOPPABLE = """\
trap 'kill -INT "$server"' TERM INT
"$@" &
server=$!
while kill -0 "$server" 2>/dev/null; do wait "$server"; code=$?; done
exit "$code"
"""


def prepare(box: Box, scripts: Path = first_start.FOLDER) -> list[str]:
    data = _pgdata(box)
    box.own(box.data / SOCKETS)
    box.own(data)
    data.chmod(0o700)
    wanted = {name: box.take(f"POSTGRES_{name}") for name in ("PASSWORD", "USER", "DB", "INITDB_ARGS")}
    if not (data / "PG_VERSION").exists():
        _make(box, data, wanted, scripts)
    box.env["PGDATA"] = str(data)
    options = {"listen_addresses": box.listen, "unix_socket_directories": sockets(box)}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    return ["/bin/sh", "-c", STOPPABLE, "sh", box.program, "-D", str(data), *box.args, *words]


def _pgdata(box: Box) -> Path:
    given = Path(box.env.get("PGDATA") or KEPT / "data")
    return box.data / given.relative_to(KEPT) if given.is_relative_to(KEPT) else given


def sockets(box: Box) -> str:
    """The folder of the server's socket, for `psql` inside the pod; "" where its path is too long."""
    folder = box.data / SOCKETS
    return str(folder) if len(str(folder)) <= SOCKET_FOLDER_CHARS else ""


def _make(box: Box, data: Path, wanted: dict[str, str], scripts: Path) -> None:
    """Makes the database beside, then moves it to its place; PG_VERSION, by which it is known, comes last."""
    new = data / "tidegate-new"
    if not (new / WHOLE).exists():
        shutil.rmtree(new, ignore_errors=True)
        if others := sorted(one.name for one in data.iterdir()):
            raise Refused(
                f"PGDATA {data} holds {', '.join(others[:3])} and no database: "
                "let PGDATA name a folder of its own below the volume"
            )
        _fill(box, new, wanted, scripts)
        (new / WHOLE).touch()
    for entry in sorted(new.iterdir(), key=lambda one: (one.name == "PG_VERSION", one.name)):
        if entry.name != WHOLE:
            entry.rename(data / entry.name)
    shutil.rmtree(new)


def _fill(box: Box, new: Path, wanted: dict[str, str], scripts: Path) -> None:
    method = box.env.get("POSTGRES_HOST_AUTH_METHOD") or "scram-sha-256"
    if not wanted["PASSWORD"] and method != "trust":
        raise Refused(
            "no database is made without a password: set POSTGRES_PASSWORD "
            "(or POSTGRES_HOST_AUTH_METHOD=trust, with which whoever comes is let in)"
        )
    user = wanted["USER"] or "postgres"
    database = wanted["DB"] or user
    command = [box.tool("initdb"), "-D", str(new), f"--username={user}", "--encoding=UTF8"]
    command += [f"--locale={_locale()}", "--auth-local=trust", f"--auth-host={method}"]
    if waldir := box.env.get("POSTGRES_INITDB_WALDIR"):
        command.append(f"--waldir={waldir}")
    password = box.write("tidegate/password", wanted["PASSWORD"]) if wanted["PASSWORD"] else None
    try:
        command += [f"--pwfile={password}"] if password else []
        box.run([*command, *shlex.split(wanted["INITDB_ARGS"])])
    finally:
        if password:
            password.unlink()
    with (new / "pg_hba.conf").open("a", encoding="utf-8") as rules:
        rules.write(f"\nhost all all all {method}\n")
    if database != "postgres":
        quoted = database.replace('"', '""')
        single = [box.program, "--single", "-D", str(new), "-c", "exit_on_error=on", "postgres"]
        box.run(single, f'CREATE DATABASE "{quoted}"\n')
    if found := first_start.scripts(scripts):
        _run(box, new, found, {"POSTGRES_USER": user, "POSTGRES_DB": database})


def _run(box: Box, new: Path, scripts: Sequence[Path], names: dict[str, str]) -> None:
    """Runs what the image runs at its first start, by a server that nobody else can come to."""
    folder = sockets(box)
    if not folder:
        raise Refused(
            f"{scripts[0].parent} cannot be run: the path of the pod's data folder is too long for a socket"
        )
    before = dict(box.env)
    login = {"PGHOST": folder, "PGPORT": PORT, "PGUSER": names["POSTGRES_USER"]}
    box.env |= names | login | {"PGDATA": str(new), "PATH": _path(box)}
    control = [box.tool("pg_ctl"), "-D", str(new), "-w"]
    alone = f"-c listen_addresses='' -c unix_socket_directories={shlex.quote(folder)} -p {PORT}"
    box.run([*control, "-o", alone, "start"])
    try:
        psql = [box.tool("psql"), "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-d", box.env["POSTGRES_DB"]]
        first_start.run(box, scripts, lambda text: box.run(psql, text))
    finally:
        box.run([*control, "-m", "fast", "stop"])
        box.env.clear()
        box.env.update(before)


def _path(box: Box) -> str:
    return os.pathsep.join([str(Path(box.program).parent), box.env.get("PATH", os.defpath)])


def _locale() -> str:
    """One that knows all letters, where the machine has it."""
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    return "C.UTF-8"
