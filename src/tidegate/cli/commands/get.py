"""`tidegate get`: objects as a table, or as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tidegate.base.errors import Misconfigured
from tidegate.cli.cluster.session import Server, Session, complain, filenames, reaching, run

if TYPE_CHECKING:
    from tidegate.cli.cluster.resource_arguments import Selection
    from tidegate.cli.output.tables import Printer, Style, Table
    from tidegate.kube.resource import Resource

Object = dict[str, Any]

FORMS = ("wide", "yaml", "json", "name")
REOPEN_S = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `get`, by the names click gives them."""

    words: tuple[str, ...]
    files: tuple[str, ...]
    output: str | None
    selector: str
    field_selector: str
    all_namespaces: bool
    watch: bool
    no_headers: bool
    ignore_not_found: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One list, or one object, to look at. `namespace` "" is all of them."""

    resource: Resource
    namespace: str
    name: str = ""

    @property
    def title(self) -> str:
        return f"{self.resource.plural}/{self.name}" if self.name else self.resource.plural


@click.command("get")
@click.argument("words", metavar="TYPE[,TYPE] [NAME…] | TYPE/NAME…", nargs=-1)
@filenames
@click.option("-o", "--output", type=click.Choice(FORMS), help="Default: a table.")
@click.option("-l", "--selector", default="", metavar="LABELS", help="Only objects with these labels.")
@click.option("--field-selector", default="", metavar="FIELDS", help="Only objects with these fields.")
@click.option("-A", "--all-namespaces", is_flag=True)
@click.option("-w", "--watch", is_flag=True, help="Go on with each change, until interrupted.")
@click.option("--no-headers", is_flag=True)
@click.option("--ignore-not-found", is_flag=True, help="A name that is not there is no error.")
@reaching
def command(kubeconfig: str, namespace: str, **given: Any) -> None:
    """List objects as a table, or as JSON or YAML.

    \b
    tidegate get scaledjob,jobs
    tidegate get so queue-worker -o yaml
    tidegate get pods -l app=redis -w
    """
    asked = Asked(**given)
    run(Server(kubeconfig, namespace), lambda session: get(session, asked))


async def get(session: Session, asked: Asked) -> bool:
    """Prints what is asked for; whether everything named was there."""
    from tidegate.cli.cluster.resource_arguments import select

    found = await select(session, asked.words, asked.files)
    if found.targets and (asked.selector or asked.field_selector or asked.all_namespaces):
        raise Misconfigured(
            "get objects by name",
            answer="names leave nothing to select",
            next_step="leave out the names, or -l, --field-selector and -A",
        )
    queries = _queries(session, asked, found)
    if asked.output in ("yaml", "json", "name"):
        return await Plain(session, asked).show(queries, is_one=len(found.targets) == 1)
    return await Tabled(session, asked, queries).show()


def _queries(session: Session, asked: Asked, found: Selection) -> list[Query]:
    namespace = "" if asked.all_namespaces else session.namespace
    return [
        *(Query(one.resource, one.namespace, one.name) for one in found.targets),
        *(Query(one, namespace if one.is_namespaced else "") for one in found.resources),
    ]


def _selectors(asked: Asked, name: str = "") -> dict[str, str]:
    query = {"labelSelector": asked.selector, "fieldSelector": asked.field_selector}
    if name:
        query["fieldSelector"] = f"metadata.name={name}"
    return {key: value for key, value in query.items() if value}


class Tabled:
    """Tables, one below the other; objects named one by one share the table of their kind."""

    def __init__(self, session: Session, asked: Asked, queries: list[Query]) -> None:
        from tidegate.cli.output.tables import Printer, Style

        self._session = session
        self._asked = asked
        self._queries = queries
        resources = list(dict.fromkeys(query.resource for query in queries))
        style = Style(
            is_wide=asked.output == "wide",
            has_namespace=asked.all_namespaces,
            has_kind=len(resources) > 1,
            has_head=not asked.no_headers,
        )
        self._style: Style = style
        self._printers = {resource: Printer(resource, style) for resource in resources}
        self._begun: set[Resource] = set()

    async def show(self) -> bool:
        from tidegate.cli.output.tables import fetch
        from tidegate.kube.resource import ApiError

        is_content = True
        tables: dict[Resource, Table] = {}
        versions: list[tuple[Query, str]] = []
        for query in self._queries:
            chosen = {} if query.name else _selectors(self._asked)
            try:
                table = await fetch(self._session.client, query.resource, query.namespace, query.name, chosen)
            except ApiError as error:
                if not (error.code == 404 and self._asked.ignore_not_found):
                    is_content = False
                    complain(error)
                continue
            versions.append((query, table.version))
            if query.resource in tables:
                tables[query.resource].rows += table.rows
            else:
                tables[query.resource] = table
        for resource, table in tables.items():
            self.print(resource, table)
        if not any(table.rows for table in tables.values()) and not self._asked.watch and is_content:
            self._say_nothing()
        if self._asked.watch and versions:
            await asyncio.gather(*(self._follow(query, version) for query, version in versions))
        return is_content

    def print(self, resource: Resource, table: Table) -> None:
        """The rows, below a head where they are the first of their kind."""
        if not table.rows:
            return
        is_new = resource not in self._begun
        if is_new and self._begun:
            click.echo()
        self._begun.add(resource)
        printer: Printer = self._printers[resource]
        click.echo("\n".join(printer.lines(table, has_head=is_new and self._style.has_head)))

    def _say_nothing(self) -> None:
        if self._asked.ignore_not_found and any(query.name for query in self._queries):
            return
        places = {query.namespace for query in self._queries}
        where = f" in {self._session.namespace} namespace." if places == {self._session.namespace} else ""
        click.echo(f"No resources found{where}", err=True)

    async def _follow(self, query: Query, version: str) -> None:
        from tidegate.cli.output.tables import ACCEPT, read

        async with aclosing(changes(self._session, self._asked, query, version, ACCEPT)) as bodies:
            async for body in bodies:
                self.print(query.resource, read(query.resource, body, self._session.client))


class Plain:
    """Objects as JSON, YAML or names."""

    def __init__(self, session: Session, asked: Asked) -> None:
        self._session = session
        self._asked = asked

    async def show(self, queries: list[Query], *, is_one: bool) -> bool:
        from tidegate.kube.resource import ApiError

        is_content = True
        items: list[Object] = []
        versions: list[tuple[Query, str]] = []
        client = self._session.client
        for query in queries:
            try:
                if query.name:
                    items.append(await client.get(query.resource, query.namespace, query.name))
                    versions.append((query, items[-1]["metadata"].get("resourceVersion", "")))
                    continue
                listing = await client.list(
                    query.resource,
                    query.namespace,
                    labels=self._asked.selector,
                    fields=self._asked.field_selector,
                )
                items += listing.items
                versions.append((query, listing.resource_version))
            except ApiError as error:
                if not (error.code == 404 and self._asked.ignore_not_found):
                    is_content = False
                    complain(error)
        self._print(items, is_one=is_one)
        if self._asked.watch and versions:
            await asyncio.gather(*(self._follow(query, version) for query, version in versions))
        return is_content

    def _print(self, items: list[Object], *, is_one: bool) -> None:
        from tidegate.cli.output.yaml_json import listing, name_line, text

        form = str(self._asked.output)
        if form == "name":
            for item in items:
                click.echo(name_line(item))
        elif is_one or self._asked.watch:
            for item in items:
                click.echo(text(item, form), nl=False)
        else:
            click.echo(text(listing(items), form), nl=False)

    async def _follow(self, query: Query, version: str) -> None:
        from tidegate.kube.client import JSON

        async with aclosing(changes(self._session, self._asked, query, version, JSON)) as bodies:
            async for body in bodies:
                if self._asked.output == "yaml":
                    click.echo("---")
                self._print([body], is_one=True)


async def changes(
    session: Session, asked: Asked, query: Query, version: str, accept: str
) -> AsyncGenerator[Object]:
    """Each change after `version`, in the shape of `accept`, for ever.

    Where the server has forgotten that version, the stream goes on with what is there now.
    """
    import msgspec

    from tidegate.kube.client import WATCH_S
    from tidegate.kube.resource import ApiError
    from tidegate.kube.watching import events

    client = session.client
    chosen = {
        **_selectors(asked, query.name),
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(WATCH_S),
    }
    path = query.resource.path(query.namespace)
    while True:
        started_s = client.clock.monotonic()
        place = {"resourceVersion": version} if version else {}
        pieces = client.stream(path, query={**chosen, **place}, silence_s=WATCH_S + 30.0, accept=accept)
        try:
            async with aclosing(pieces), aclosing(events(pieces)) as stream:
                async for event in stream:
                    body: Object = msgspec.json.decode(event.raw)
                    version = _version(body) or version
                    if event.type != "BOOKMARK":
                        yield body
        except ApiError as error:
            if error.code != 410:
                raise
            version = ""
        if client.clock.monotonic() - started_s < REOPEN_S:
            await client.clock.sleep(REOPEN_S)


def _version(body: Object) -> str:
    if body.get("kind") == "Table" and body.get("rows"):
        row = body["rows"][-1].get("object") or {}
        return str((row.get("metadata") or {}).get("resourceVersion") or "")
    return str((body.get("metadata") or {}).get("resourceVersion") or "")
