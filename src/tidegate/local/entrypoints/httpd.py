"""Apache's HTTP server, as the `httpd` images start it: it serves /usr/local/apache2/htdocs on port 80.

Honoured: the arguments, and a volume at /usr/local/apache2/htdocs. A configuration of one's own
(/usr/local/apache2/conf/httpd.conf) names modules where this machine does not have them: it is refused
with words; give the container a command that runs here for that.

Source: https://hub.docker.com/_/httpd
"""

from __future__ import annotations

from pathlib import Path

from tidegate.local.entrypoints.box import Box, Refused
from tidegate.local.entrypoints.mounts import is_mounted, mounts

USER = ""

ROOT = "/usr/local/apache2"
MODULES = (Path("/usr/lib/apache2/modules"), Path("/usr/lib64/httpd/modules"), Path("/usr/lib/httpd/modules"))
WANTED = ("mpm_event", "authz_core", "authz_host", "dir", "mime", "autoindex", "alias", "unixd")
TYPES = (Path("/etc/mime.types"), Path("/etc/apache2/mime.types"), Path("/etc/httpd/conf/mime.types"))

CONFIGURATION = """\
ServerRoot {data}
ServerName localhost
Listen {address}:80
{modules}
PidFile {data}/httpd.pid
ErrorLog /proc/self/fd/2
User {user}
Group {group}
{types}
DirectoryIndex index.html
DocumentRoot {root}/htdocs
<Directory {root}/htdocs>
    Options Indexes FollowSymLinks
    Require all granted
</Directory>
"""


def prepare(box: Box, text: str | None = None) -> list[str]:
    if is_mounted(f"{ROOT}/conf/httpd.conf", mounts() if text is None else text):
        raise Refused(
            f"{ROOT}/conf/httpd.conf is for the image's own modules, which this machine has not: give the "
            "container a command that runs here, such as [apache2, -DFOREGROUND, -f, /your.conf]"
        )
    folder = next((one for one in MODULES if one.is_dir()), None)
    if folder is None:
        raise Refused(f"none of the folders of Apache's modules is there: {', '.join(map(str, MODULES))}")
    lines = [
        f"LoadModule {name}_module {folder}/mod_{name}.so"
        for name in WANTED
        if (folder / f"mod_{name}.so").exists()
    ]
    types = next((f"TypesConfig {one}" for one in TYPES if one.exists()), "TypesConfig /dev/null")
    configuration = CONFIGURATION.format(
        data=box.data, address=box.listen, modules="\n".join(lines), types=types, root=ROOT,
        user="nobody", group=_group(),
    )  # fmt: skip
    return [
        box.program,
        "-DFOREGROUND",
        "-f",
        str(box.write("tidegate/httpd.conf", configuration)),
        *box.args,
    ]


def _group() -> str:
    import grp
    import pwd

    return grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
