"""`tidegate apply`: create what is not there, change what is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tidegate.base.errors import Misconfigured, TidegateError
from tidegate.cli.cluster.session import Server, Session, complain, filenames, reaching, run, warn

if TYPE_CHECKING:
    from tidegate.cli.manifests.files import Document
    from tidegate.kube.resource import ApiError, Resource

Object = dict[str, Any]

# What else may be defined by what this call applies, and how long that may take.
DEFINING = ("CustomResourceDefinition", "Namespace")
WAITS_S = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
TRIES = 5


@click.command("apply")
@filenames
@click.option(
    "--dry-run",
    type=click.Choice(["none", "server"]),
    default="none",
    show_default=True,
    help="server: let the server check everything and store nothing.",
)
@click.option(
    "--validate",
    type=click.Choice(["strict", "warn", "ignore"]),
    default="strict",
    show_default=True,
    help="Fields that no schema has: refuse the object, or drop them with a warning or without.",
)
@reaching
def command(files: tuple[str, ...], dry_run: str, validate: str, kubeconfig: str, namespace: str) -> None:
    """Create or change the objects of manifests.

    Fields that an earlier apply has set and that the manifest no longer has are removed; fields that
    others have set stay. kubectl apply and this command may be mixed. As there, a field that no schema
    has keeps its object from being written.

    \b
    tidegate apply -f examples/csv-pipeline/
    """

    async def work(session: Session) -> bool:
        from tidegate.cli.manifests.files import load

        if not files:
            raise Misconfigured(
                "apply", answer="no manifest is given", next_step="name files or folders with -f"
            )
        writes = Writes(session, dry_run == "server", validate.capitalize())
        return await apply(writes, load(files))

    run(Server(kubeconfig, namespace), work)


@dataclass(frozen=True, slots=True)
class Writes:
    """How objects are written. `validation` says what becomes of fields that no schema has: Strict,
    Warn or Ignore, as the API calls it."""

    session: Session
    is_dry_run: bool = False
    validation: str = "Strict"

    async def send(self, method: str, path: str, body: Object, content_type: str) -> Object:
        import msgspec

        from tidegate.kube.client import FIELD_MANAGER

        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": self.validation}
        if self.is_dry_run:
            query["dryRun"] = "All"
        raw = await self.session.client.request(
            method, path, query=query, body=body, content_type=content_type
        )
        stored: Object = msgspec.json.decode(raw)
        return stored


async def apply(writes: Writes, documents: list[Document]) -> bool:
    """Attempts every document and prints what became of it; whether all are applied.

    What fails because its kind or its namespace is not there is attempted again while this call
    itself brings kinds and namespaces.
    """
    from tidegate.kube.resource import ApiError

    is_content = True
    is_more_coming = not writes.is_dry_run and any(one.body["kind"] in DEFINING for one in documents)
    left = documents
    for wait_s in WAITS_S:
        await asyncio.sleep(wait_s)
        absent: list[tuple[Document, ApiError]] = []
        for document in left:
            try:
                click.echo(await apply_one(writes, document))
            except ApiError as error:
                if error.code == 404 and is_more_coming:
                    absent.append((document, error))
                    continue
                is_content = False
                complain(advised(error), document.place)
            except TidegateError as error:
                complain(error, document.place)
                return False
        left = [document for document, _ in absent]
        if not left:
            return is_content
    for document, missing in absent:
        complain(missing, document.place)
    return False


def advised(error: ApiError) -> ApiError:
    """The error, with what to do about fields that no schema has."""
    from tidegate.kube.resource import ApiError

    if "strict decoding error" not in error.message and "Forbidden: unknown field" not in error.message:
        return error
    advice = "correct them, or let --validate=warn drop them"
    return ApiError(error.code, error.reason, f"{error.message}; {advice}", error.details)


async def apply_one(writes: Writes, document: Document) -> str:
    """`deployment.apps/redis created`, `configured` or `unchanged`."""
    from tidegate.cli.cluster.resource_arguments import target

    aim = await target(writes.session, document)
    body = written(document.body, aim.namespace)
    outcome = await _settle(writes, aim.resource, body)
    return f"{aim} {outcome}" + (" (server dry run)" if writes.is_dry_run else "")


def written(body: Object, namespace: str) -> Object:
    """The manifest as JSON has it, with its namespace; ApiError where it cannot be JSON."""
    import msgspec

    from tidegate.kube.resource import ApiError

    try:
        made: Object = msgspec.json.decode(msgspec.json.encode(body))
    except (TypeError, ValueError) as error:
        raise ApiError(400, "BadRequest", f"{body['kind']}: JSON cannot say this: {error}") from error
    metadata = made["metadata"]
    for field in ("labels", "annotations"):
        if not isinstance(metadata.get(field) or {}, dict):
            raise ApiError(422, "Invalid", f"{body['kind']}: metadata.{field}: must be a mapping")
    if namespace:
        metadata["namespace"] = namespace
    return made


async def _settle(writes: Writes, resource: Resource, body: Object) -> str:
    """Looks and writes, again where somebody else wrote in between."""
    from tidegate.kube.resource import ApiError

    for left in reversed(range(TRIES)):
        try:
            return await _look_and_write(writes, resource, body)
        except ApiError as error:
            # A version in the manifest is the user's own condition.
            is_own = "resourceVersion" in body["metadata"]
            if error.reason not in ("Conflict", "AlreadyExists") or is_own or not left:
                raise
    raise AssertionError("the last try returns or raises")


async def _look_and_write(writes: Writes, resource: Resource, body: Object) -> str:
    from tidegate.cli.cluster.three_way_merge import annotated, last_applied, patch_for
    from tidegate.kube.client import JSON, MERGE
    from tidegate.kube.merge import guarded
    from tidegate.kube.resource import ApiError

    name, namespace = body["metadata"]["name"], body["metadata"].get("namespace", "")
    try:
        live = await writes.session.client.get(resource, namespace, name)
    except ApiError as error:
        if error.code != 404:
            raise
        await writes.send("POST", resource.path(namespace), annotated(body), JSON)
        return "created"
    title = f"{resource.plural}/{name}"
    if last_applied(live) is None:
        warn(f"{title} was not made by apply: what this manifest does not name stays as it is")
    patch = patch_for(resource, live, body)
    if not patch:
        return "unchanged"
    if live["metadata"].get("deletionTimestamp"):
        warn(f"{title} is being deleted; the change will go with it")
    version = live["metadata"]["resourceVersion"]
    if "resourceVersion" not in patch.get("metadata", {}):
        patch = guarded(patch, version)
    stored = await writes.send("PATCH", resource.path(namespace, name), patch, MERGE)
    return "unchanged" if stored["metadata"]["resourceVersion"] == version else "configured"
