"""Where the API server is and who we are: from a kubeconfig, or from the pod we run in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.base.bytetext import to_bytes
from tidegate.base.errors import Misconfigured

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_NEXT_STEP = "name a kubeconfig with --kubeconfig or KUBECONFIG"


class Unconfigured(Misconfigured):
    """Nothing names an API server: no kubeconfig anywhere, and this is not a pod."""


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A program that prints credentials. Source: client.authentication.k8s.io ExecCredential."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_version: str = "client.authentication.k8s.io/v1"
    install_hint: str = ""
    wants_cluster: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """A server and credentials for it. PEM texts are bytes; an empty `authority` means system roots."""

    server: str
    namespace: str = "default"
    authority: bytes = field(default=b"", repr=False)
    is_insecure: bool = False
    tls_name: str = ""
    proxy: str = ""
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    exec: ExecPlugin | None = None


def load(
    path: str | Path | None = None, *, context: str = "", environ: Mapping[str, str] | None = None
) -> Config:
    """The configuration to use; Unconfigured with all that was looked at if there is none.

    `path`, else the files of KUBECONFIG, else the service account of the pod, else ~/.kube/config.
    """
    environ = os.environ if environ is None else environ
    if path is not None:
        return from_kubeconfigs([Path(path)], context)
    files = [Path(part) for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if files:
        return from_kubeconfigs(files, context)
    if environ.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
        return in_cluster(environ)
    home = Path(environ.get("HOME", "/")) / ".kube" / "config"
    if home.exists():
        return from_kubeconfigs([home], context)
    answer = f"KUBECONFIG is not set, this is not a pod, and {home} does not exist"
    raise Unconfigured("find a Kubernetes API", answer=answer, next_step=_NEXT_STEP)


def in_cluster(environ: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> Config:
    """The API server as a pod sees it; its token is a file that the kubelet renews."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    namespace = account / "namespace"
    return Config(
        server=f"https://{host}:{port}",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        authority=_file("ca.crt", account / "ca.crt"),
        token_file=str(account / "token"),
    )


def from_kubeconfigs(files: list[Path], context: str = "") -> Config:
    """The context of several kubeconfigs: of equal names the first counts, missing files are skipped."""
    read = [(file, _parse(file)) for file in files if len(files) == 1 or file.exists()]
    shown = os.pathsep.join(str(file) for file in files)
    name = context or next((body["current-context"] for _, body in read if body.get("current-context")), "")
    if not name:
        raise _wrong(shown, "no current-context is set", "kubectl config use-context <name>")
    chosen, _ = _named(read, shown, "contexts", "context", name)
    cluster, cluster_dir = _named(read, shown, "clusters", "cluster", str(chosen.get("cluster", "")))
    user: dict[str, Any] = {}
    user_dir = cluster_dir
    if chosen.get("user"):
        user, user_dir = _named(read, shown, "users", "user", str(chosen["user"]))
    if not cluster.get("server"):
        raise _wrong(
            shown, f"cluster {chosen.get('cluster')!r} has no server", "add clusters[].cluster.server"
        )
    return Config(
        server=str(cluster["server"]).rstrip("/"),
        namespace=str(chosen.get("namespace") or "default"),
        authority=_pem(cluster, "certificate-authority", cluster_dir),
        is_insecure=bool(cluster.get("insecure-skip-tls-verify", False)),
        tls_name=str(cluster.get("tls-server-name") or ""),
        proxy=str(cluster.get("proxy-url") or ""),
        certificate=_pem(user, "client-certificate", user_dir),
        key=_pem(user, "client-key", user_dir),
        token=str(user.get("token") or ""),
        token_file=_relative(user["tokenFile"], user_dir) if user.get("tokenFile") else "",
        username=str(user.get("username") or ""),
        password=str(user.get("password") or ""),
        exec=_exec(user["exec"], user_dir) if user.get("exec") else None,
    )


def _parse(file: Path) -> dict[str, Any]:
    import yaml

    text = _file("the kubeconfig", file)
    try:
        body = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise _wrong(str(file), f"it is not YAML{where}", "repair the file") from error
    if not isinstance(body, dict):
        raise _wrong(str(file), "it is not a mapping", "repair the file")
    return body


def _named(
    read: list[tuple[Path, dict[str, Any]]], shown: str, plural: str, singular: str, name: str
) -> tuple[dict[str, Any], Path]:
    """The entry of that name, and the directory of its file: relative paths count from there."""
    for file, body in read:
        for entry in body.get(plural) or []:
            if isinstance(entry, dict) and entry.get("name") == name:
                return entry.get(singular) or {}, file.parent
    raise _wrong(shown, f"there is no {singular} {name!r}", f"add it to {plural}, or choose another context")


def _pem(entry: dict[str, Any], name: str, directory: Path) -> bytes:
    """Inline data wins over a file, as kubectl has it."""
    inline = entry.get(f"{name}-data")
    if inline:
        try:
            return to_bytes(str(inline))
        except ValueError as error:
            raise _wrong(str(directory), f"{name}-data is not base64", "repair the kubeconfig") from error
    return _file(name, Path(_relative(entry[name], directory))) if entry.get(name) else b""


def _file(what: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        answer = error.strerror or type(error).__name__
        raise Misconfigured(f"read {what}", on=str(file), answer=answer, next_step=_NEXT_STEP) from error


def _relative(path: Any, directory: Path) -> str:
    return str(directory / str(path))


def _exec(entry: dict[str, Any], directory: Path) -> ExecPlugin:
    command = str(entry.get("command") or "")
    if os.sep in command:
        command = _relative(command, directory)
    return ExecPlugin(
        command=command,
        args=tuple(str(arg) for arg in entry.get("args") or ()),
        env=tuple((str(one["name"]), str(one.get("value", ""))) for one in entry.get("env") or ()),
        api_version=str(entry.get("apiVersion") or "client.authentication.k8s.io/v1"),
        install_hint=str(entry.get("installHint") or ""),
        wants_cluster=bool(entry.get("provideClusterInfo", False)),
    )


def _wrong(where: str, answer: str, next_step: str) -> Misconfigured:
    return Misconfigured("use the kubeconfig", on=where, answer=answer, next_step=next_step)
