"""nginx, as the `nginx` images start it.

Honoured: the arguments (`nginx -g 'daemon off;'` is the image's own), volumes at /etc/nginx/nginx.conf,
/etc/nginx/conf.d, /etc/nginx/templates (`$NAME`s of the environment are put in, as the image does) and
/usr/share/nginx/html. Without a configuration it serves that folder on port 80 (`nginx-unprivileged`: 8080).
What the machine's own configuration says is not read.

Source: https://hub.docker.com/_/nginx
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from tidegate.local.entrypoints.box import Box
from tidegate.local.entrypoints.mounts import is_mounted, mounts

# The master opens the port and reads what only we may read; its workers are www-data's.
USER = ""

FOLDER = Path("/etc/nginx")
VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
UNPRIVILEGED = "NGINX_UNPRIVILEGED"

MAIN = """\
worker_processes 1;
pid {data}/nginx.pid;
error_log /dev/stderr notice;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout;
    sendfile on;
    client_body_temp_path {data}/body;
    proxy_temp_path {data}/proxy;
    fastcgi_temp_path {data}/fastcgi;
    uwsgi_temp_path {data}/uwsgi;
    scgi_temp_path {data}/scgi;
{includes}
}}
"""
SERVER = """\
    server {{
        listen {address};
        root /usr/share/nginx/html;
        index index.html index.htm;
    }}
"""


def prepare(box: Box, folder: Path = FOLDER, text: str | None = None) -> list[str]:
    seen = mounts() if text is None else text
    args = box.args if {"-g", "-t", "-T"} & set(box.args) else [*box.args, "-g", "daemon off;"]
    if "-c" in args:
        return [box.program, *args]
    if is_mounted(str(folder / "nginx.conf"), seen):
        return [box.program, *args, "-c", str(folder / "nginx.conf")]
    includes = list(_templates(box, folder / "templates")) if (folder / "templates").is_dir() else []
    if is_mounted(str(folder / "conf.d" / "any"), seen):
        includes.append(f"    include {folder}/conf.d/*.conf;")
    if not includes:
        port = "8080" if UNPRIVILEGED in box.env else "80"
        includes.append(SERVER.format(address=f"{box.listen}:{port}"))
    main = box.write("tidegate/nginx.conf", MAIN.format(data=box.data, includes="\n".join(includes)))
    return [box.program, *args, "-c", str(main)]


def _templates(box: Box, folder: Path) -> Iterator[str]:
    for template in sorted(folder.rglob("*.template")):
        name = str(template.relative_to(folder)).removesuffix(".template").replace("/", "-")
        file = box.write(f"tidegate/conf.d/{name}", substituted(template.read_text("utf-8"), box.env))
        yield f"    include {shlex.quote(str(file))};"


def substituted(text: str, env: Mapping[str, str]) -> str:
    """`text` with `$NAME` and `${NAME}` of the environment; nginx's own variables stay."""
    return VARIABLE.sub(lambda match: env.get(match[1] or match[2], match[0]), text)
