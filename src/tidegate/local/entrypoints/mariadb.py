"""MariaDB, as the `mariadb` and `mysql` images start it: a database is made at the first start, then served.

Honoured: `MARIADB_ROOT_PASSWORD`, `MARIADB_ALLOW_EMPTY_ROOT_PASSWORD`, `MARIADB_RANDOM_ROOT_PASSWORD`,
`MARIADB_ROOT_HOST`, `MARIADB_DATABASE`, `MARIADB_USER`, `MARIADB_PASSWORD` (all of them with `MYSQL_` too,
and with `_FILE`), the arguments, and `/docker-entrypoint-initdb.d` with `.sql`, `.sql.gz`, `.sql.xz` and
`.sh`. The server is the MariaDB of this machine, also where the image is MySQL's.

A start that was cut short begins anew; what is in the data folder is a whole database or none.

Source: https://mariadb.com/docs/server/server-management/automated-mariadb-deployment-and-administration/docker-and-mariadb/mariadb-server-docker-official-image-environment-variables
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from pathlib import Path

from tidegate.local.entrypoints import first_start
from tidegate.local.entrypoints.box import Box, Refused

USER = "mysql"

PORT = "3306"
NEW = "tidegate-new"
WHOLE = "tidegate-whole"
READY_S = 60.0
NAMES = ("ROOT_PASSWORD", "ALLOW_EMPTY_ROOT_PASSWORD", "ALLOW_EMPTY_PASSWORD", "RANDOM_ROOT_PASSWORD",
         "ROOT_HOST", "DATABASE", "USER", "PASSWORD")  # fmt: skip


def prepare(box: Box, scripts: Path = first_start.FOLDER) -> list[str]:
    wanted = {name: box.take(f"MARIADB_{name}") or box.take(f"MYSQL_{name}") for name in NAMES}
    data = box.data
    if not (data / "mysql").exists():
        _make(box, wanted, scripts)
    return [
        box.program, "--no-defaults", *_place(data), f"--bind-address={box.listen}", f"--port={PORT}",
        "--skip-name-resolve", *box.args,
    ]  # fmt: skip


def _place(data: Path) -> list[str]:
    files = {"datadir": data, "socket": data / "s", "pid-file": data / "pid"}
    return [f"--{name}={path}" for name, path in files.items()]


def _make(box: Box, wanted: dict[str, str], scripts: Path) -> None:
    """Makes the database beside, then moves it to its place; `mysql`, by which it is known, comes last."""
    new = box.data / NEW
    if not (new / WHOLE).exists():
        shutil.rmtree(new, ignore_errors=True)
        if others := sorted(one.name for one in box.data.iterdir() if one.name != "lost+found"):
            raise Refused(f"the data folder holds {', '.join(others[:3])} and no database")
        statements = _statements(wanted)
        box.own(new)
        install = box.tool("mariadb-install-db", "mysql_install_db")
        form = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        box.run([install, "--no-defaults", f"--datadir={new}", *form])
        _fill(box, new, statements, wanted, first_start.scripts(scripts))
        (new / WHOLE).touch()
    for entry in sorted(new.iterdir(), key=lambda one: (one.name == "mysql", one.name)):
        if entry.name != WHOLE:
            entry.rename(box.data / entry.name)
    shutil.rmtree(new)


def _statements(wanted: dict[str, str]) -> str:
    """What a new database is told first. `Refused` without a word on root's password."""
    password = wanted["ROOT_PASSWORD"]
    if not password and wanted["RANDOM_ROOT_PASSWORD"]:
        password = secrets.token_urlsafe(24)
        print(f"GENERATED ROOT PASSWORD: {password}", flush=True)
    if not (password or wanted["ALLOW_EMPTY_ROOT_PASSWORD"] or wanted["ALLOW_EMPTY_PASSWORD"]):
        raise Refused(
            "no database is made without a word on root's password: set MARIADB_ROOT_PASSWORD "
            "(or MARIADB_RANDOM_ROOT_PASSWORD=1, or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1)"
        )
    if bool(wanted["USER"]) != bool(wanted["PASSWORD"]):
        raise Refused("MARIADB_USER and MARIADB_PASSWORD are only good together")
    quoted, host = _text(password), _text(wanted["ROOT_HOST"] or "%")
    # A new database lets root and nobody in from everywhere near, without a password.
    lines = ["DELETE FROM mysql.global_priv WHERE Host <> 'localhost' OR User = '';", "FLUSH PRIVILEGES;"]
    lines += [f"ALTER USER 'root'@'localhost' IDENTIFIED BY {quoted};"]
    if host != "'localhost'":
        lines += [
            f"CREATE USER 'root'@{host} IDENTIFIED BY {quoted};",
            f"GRANT ALL ON *.* TO 'root'@{host} WITH GRANT OPTION;",
        ]
    if database := wanted["DATABASE"]:
        lines.append(f"CREATE DATABASE IF NOT EXISTS {_name(database)};")
    if wanted["USER"]:
        user = f"{_text(wanted['USER'])}@'%'"
        lines.append(f"CREATE USER {user} IDENTIFIED BY {_text(wanted['PASSWORD'])};")
        if database:
            pattern = _name(database.replace("_", "\\_").replace("%", "\\%"))
            lines.append(f"GRANT ALL ON {pattern}.* TO {user};")
    return "\n".join([*lines, "FLUSH PRIVILEGES;", ""])


def _fill(box: Box, new: Path, statements: str, wanted: dict[str, str], found: list[Path]) -> None:
    """Tells a server, to which nobody else can come, what the image tells it at its first start."""
    account = box.account()
    who = {"user": account.pw_uid, "group": account.pw_gid} if account is not None else {}
    command = [box.program, "--no-defaults", *_place(new), "--skip-networking"]
    server = subprocess.Popen(command, env=box.env, cwd=new, **who)  # type: ignore[call-overload]
    try:
        client = [box.tool("mariadb", "mysql"), "--no-defaults", f"--socket={new / 's'}", "-uroot"]
        _wait(box, [*client, "-e", "SELECT 1"], server)
        box.run(client, statements)
        if password := wanted["ROOT_PASSWORD"]:
            box.env["MYSQL_PWD"] = password
        chosen = [wanted["DATABASE"]] if wanted["DATABASE"] else []
        first_start.run(box, found, lambda text: box.run([*client, *chosen], text))
    finally:
        box.env.pop("MYSQL_PWD", None)
        server.terminate()
        code = server.wait()
    if code:
        raise Refused(f"the new database ended with {code}")


def _wait(box: Box, ask: list[str], server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_S
    while subprocess.run(ask, env=box.env, capture_output=True, check=False).returncode:
        if server.poll() is not None:
            raise Refused(f"the new database ended with {server.returncode}")
        if time.monotonic() > deadline:
            raise Refused(f"the new database did not answer within {READY_S:g} s")
        time.sleep(0.1)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _name(value: str) -> str:
    return "`" + value.replace("`", "``") + "`"
