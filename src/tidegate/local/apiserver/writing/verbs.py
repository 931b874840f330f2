"""The verbs of the API on one object: create, update, patch, delete, scale.

HTTP and in-process writers meet here. A write is decided synchronously against the newest state
(pending commits included), so nothing can come between looking and choosing; only the group commit
is awaited. An answer that rests on a pending write (a conflict, a change of nothing) waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.defaulting import builtin_kinds
from tidegate.local.apiserver.defaulting.server_fields import Completion
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.patching.patches import PatchType, patched
from tidegate.local.apiserver.refusals import (
    already_exists,
    ending_namespace,
    no_namespace,
    not_allowed,
    not_found,
)
from tidegate.local.apiserver.scale import scale_of, scaled
from tidegate.local.apiserver.storage.journal import mark
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import Entry, Row, decode, encode, row_of
from tidegate.local.apiserver.storage.versions import body_of, stored, stored_kind
from tidegate.local.apiserver.validation.object_metadata import claim, generated_name, mint, same
from tidegate.local.apiserver.writing import admission
from tidegate.local.apiserver.writing.asked import Options, Target, Written, check_endpoint
from tidegate.local.apiserver.writing.deletion import Deletion, deleted
from tidegate.local.apiserver.writing.owners import (
    Owners,
    applied,
    of_changed,
    of_new,
    owned_by,
    sent_owners,
)
from tidegate.local.apiserver.writing.parts import Parts, is_free
from tidegate.local.apiserver.writing.review import Decoding, FieldValidation, Review
from tidegate.local.apiserver.writing.update import (
    bump_generation,
    check_finalizers,
    check_preconditions,
    is_finished,
    merged,
)
from tidegate.local.objects import NODE, Object
from tidegate.runtime.clock import Clock

__all__ = ["Deletion", "FieldValidation", "Options", "PatchType", "Target", "Verbs", "Written"]

_NAMESPACES = "namespaces"
_NAME_TRIES = 8


class _Decided(NamedTuple):
    """A decision: what it leaves, and the commit to wait for (None: nothing was changed)."""

    written: Written
    commit: asyncio.Future[Entry] | None = None


_PLAIN, _NOW = Options(), Deletion()


class Verbs:
    """Writes. Every refusal is an `ApiError` with `details` (name, group, kind, uid, causes)."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        admissions: Sequence[admission.Admission],
        completion: Completion,
        furniture: Sequence[tuple[Kind, str, Object]] = (),
    ) -> None:
        """`furniture` is what each new namespace gets: kind, name and content."""
        self._furniture = furniture
        self._store = store
        self._clock = clock
        self._review = Review(admissions, self._node)
        self._completion = completion
        self._parts = Parts()

    def keep(self, parts: Parts) -> None:
        """From now on these objects stay as they are, whoever writes or deletes them."""
        self._parts = parts

    def _node(self) -> Object | None:
        row = self._store.newest("nodes", ("", NODE))
        return None if row is None else decode(row.body)

    async def create(self, target: Target, body: Object, options: Options = _PLAIN) -> Written:
        """201: the stored object. `body` becomes ours (it is changed in place)."""
        meta = claim(target.kind, target.namespace, target.name, body)
        if not meta.get("name") and isinstance(meta.get("generateName"), str):
            meta["name"] = self._free_name(target, meta["generateName"])
        named = target._replace(name=meta.get("name") or "")
        return await self._settle(named, lambda: self._create(named, body, options))

    async def update(self, target: Target, body: Object, options: Options = _PLAIN) -> Written:
        """200: PUT on the object or on its subresource (status, scale, finalize)."""
        check_endpoint(target)
        if target.subresource == "scale":
            return await self._scale(target, lambda _: body, options)
        return await self._settle(target, lambda: self._update(target, body, options))

    async def patch(self, target: Target, type: PatchType, patch: Any, options: Options = _PLAIN) -> Written:
        """200. Applied to the newest object; 409 only if the patch itself carries a resourceVersion."""
        check_endpoint(target)
        if type == "strategic" and target.kind.is_custom:
            raise ApiError(
                415,
                "UnsupportedMediaType",
                "strategic merge patches are not for custom resources; send application/merge-patch+json",
            )
        if target.subresource == "scale":
            return await self._scale(
                target, lambda scale: patched(type, "scales", scale, patch), replace(options, is_patch=True)
            )

        def decide() -> _Decided:
            shown = self._shown(target)
            body = patched(type, target.kind.key, shown, patch)
            return self._update(target, body, replace(options, is_patch=True))

        return await self._settle(target, decide)

    async def apply(self, target: Target, wanted: Object, options: Options = _PLAIN) -> Written:
        """200, or 201 where there was none: the object with all that the configuration names, and without
        what its writer alone has applied before. 409 for fields that others own, but where `is_forced`.
        """
        check_endpoint(target)

        def decide() -> _Decided:
            row = self._store.newest(target.kind.key, target.place)
            if row is None and target.subresource:
                raise not_found(target.kind, target.name)
            # Nobody owns fields of a part: there is nothing to be in conflict with.
            is_part = self._parts.asked_for(target, options) is not None
            live = None if row is None or is_part else self._shown(target)
            by = options.by._replace(subresource=target.subresource)
            body, owners = applied(target.kind, target.place, live, wanted, by, self._clock.now())
            write = self._create if row is None or is_free(row) else self._update
            return write(target, body, options, owners)

        return await self._settle(target, decide)

    async def delete(self, target: Target, deletion: Deletion = _NOW, options: Options = _PLAIN) -> Written:
        """200; see `Written.is_removed`."""
        return await self._settle(target, lambda: self._delete(target, deletion, options))

    async def delete_rows(
        self, kind: Kind, rows: Sequence[Row], deletion: Deletion = _NOW, options: Options = _PLAIN
    ) -> list[Written]:
        """Deletes these objects in one group; one that is gone meanwhile is passed over."""
        targets = [Target(kind, row.namespace, row.name) for row in rows]
        answers = await asyncio.gather(
            *(self.delete(target, deletion, options) for target in targets), return_exceptions=True
        )
        written = []
        for answer in answers:
            if isinstance(answer, Written):
                written.append(answer)
            elif not (isinstance(answer, ApiError) and answer.code == 404):
                raise answer
        return written

    # -- deciding ------------------------------------------------------------------------------

    def _create(
        self, target: Target, body: Object, options: Options, owners: Owners | None = None
    ) -> _Decided:
        """`owners` of fields are those that an apply has found."""
        kind, now = target.kind, self._clock.now()
        part = self._parts.asked_for(target, options)
        if part is not None and is_free(self._store.newest(kind.key, part.place)):
            decided = self._update(target, body, options, is_new=True)
            return decided._replace(written=replace(decided.written, is_created=True))
        warnings = self._review.decode(kind, body, options.decoding)
        self._check_home(target)
        kind, body = self._stored(kind, body)
        if part is not None:
            warnings += part.said(body, None)
            body, owners = part.kept(body, None, is_installed=True), []
        if body["metadata"].get("resourceVersion"):
            raise ApiError(400, "BadRequest", "resourceVersion should not be set on objects to be created")
        mint(kind, body["metadata"], now)
        if kind.has_status and kind.key != "nodes":
            body.pop("status", None)
        if not kind.is_custom:
            builtin_kinds.apply_defaults(kind, body)
        if options.guard is not None:
            options.guard(kind, body, None)
        if owners is None and not kind.is_custom:
            # What the server completes is nobody's.
            owners = of_new(kind, body, options.by, now)
        problems = self._completion.complete(kind, body, None, now)
        warnings += self._review.check(kind, body, None, options.field_validation, problems)
        owners = of_new(kind, body, options.by, now) if owners is None else owners
        body = owned_by(body, owners)
        if self._store.newest(kind.key, target.place) is not None:
            raise already_exists(target.kind, target.name)
        decided = self._store_new("ADDED", target, body, None, options)
        if kind.key == _NAMESPACES:
            self._furnish(target.name, options)
        return _answer(decided, warnings, is_created=True)

    def _stored(self, kind: Kind, body: Object) -> tuple[Kind, Object]:
        """The kind that is stored for `kind`, and the decoded body with its fields."""
        own = stored_kind(kind)
        if own is kind:
            return kind, body
        converted = stored(kind, body)
        # What its annotations stood for has not been looked at yet.
        self._review.decode(own, converted, Decoding("Ignore"))
        return own, converted

    def _restore(self, gone: Target) -> None:
        """Parts of this program are there again in the same group commit."""
        for part in self._parts.lost_with(gone):
            home = self._store.newest(_NAMESPACES, ("", part.place[0])) if part.place[0] else None
            if not part.place[0] or (home is not None and not home.is_deleting):
                self._put_beside(Target(part.kind, *part.place), part.fresh())

    def _furnish(self, namespace: str, options: Options) -> None:
        """What every namespace has, in the same group commit."""
        if options.is_dry_run:
            return
        for kind, name, content in self._furniture:
            body = {"metadata": {"name": name, "namespace": namespace}, **content}
            self._put_beside(Target(kind, namespace, name), body)

    def _put_beside(self, target: Target, body: Object) -> None:
        """What is not there yet, in the group commit of a write that is awaited, and fails with this one."""
        if self._store.newest(target.kind.key, target.place) is not None:
            return
        claim(target.kind, target.namespace, target.name, body)
        commit = self._create(target, body, _PLAIN).commit
        if commit is not None:
            commit.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _update(
        self,
        target: Target,
        body: Object,
        options: Options,
        owners: Owners | None = None,
        *,
        is_new: bool = False,
    ) -> _Decided:
        """`is_new`: a part is created that is there."""
        kind, now = target.kind, self._clock.now()
        row = self._newest(target)
        old = row.parse()
        sent = sent_owners(body)
        meta = claim(kind, target.namespace, target.name, body, is_patch=options.is_patch)
        check_preconditions(kind, old, meta, is_patch=options.is_patch)
        warnings = self._review.decode(kind, body, options.decoding)
        kind, body = self._stored(kind, body)
        part = self._parts.asked_for(target, options)
        if part is not None:
            warnings += part.said(body, None if is_new else old)
            body, owners = part.kept(body, old, is_installed=is_new), []
        new = merged(kind, target.subresource, old, body)
        problems = []
        if not target.subresource:
            if not kind.is_custom:
                builtin_kinds.apply_defaults(kind, new, is_new=False)
            if options.guard is not None:
                options.guard(kind, new, old)
            if owners is None and not kind.is_custom:
                owners = of_changed(kind, old, new, sent, options.by, now)
            problems = self._completion.complete(kind, new, old, now)
            check_finalizers(kind, old, new)
            warnings += self._review.check(kind, new, old, options.field_validation, problems)
        elif kind.is_custom:
            warnings += self._review.conform(kind, new, options.field_validation)
        if owners is None:
            by = options.by._replace(subresource=target.subresource or options.via)
            owners = of_changed(kind, old, new, sent, by, now)
        new = owned_by(new, owners)
        bump_generation(kind, old, new, target.subresource)
        if same(new, old):
            return _Decided(Written(body_of(target.kind, row), tuple(warnings)))
        is_gone = is_finished(kind, new)
        decided = self._store_new("DELETED" if is_gone else "MODIFIED", target, new, row, options)
        return _answer(decided, warnings, is_removed=is_gone)

    def _delete(self, target: Target, deletion: Deletion, options: Options) -> _Decided:
        kind, part = target.kind, self._parts.find(target)
        if part is not None and not deletion.uid and self._store.newest(kind.key, part.place) is None:
            # Gone with its namespace, it comes again with it: a client told 404 would wait for that to go.
            return _answer(_Decided(Written(encode(part.past()))), [part.farewell()], is_removed=True)
        row = self._newest(target)
        old = row.parse()
        new, is_gone = deleted(kind, old, deletion, self._clock.now())
        warnings = self._review.farewell(kind, old)
        if part is not None:
            warnings.append(part.farewell())
            # A definition of ours goes and comes in one moment, and its objects stay.
            new, is_gone = (old, True) if part.is_definition else (new, is_gone)
        if not is_gone:
            self._completion.mark_terminating(kind, new, old, self._clock.now())
            if same(new, old):
                return _Decided(Written(body_of(kind, row), tuple(warnings)))
        decided = self._store_new("DELETED" if is_gone else "MODIFIED", target, new, row, options)
        return _answer(decided, warnings, is_removed=is_gone)

    async def _scale(self, target: Target, change: Callable[[Object], Any], options: Options) -> Written:
        plain = target._replace(subresource="")

        def decide() -> _Decided:
            shown = self._shown(plain)
            scale = change(scale_of(target.kind, shown))
            whole = scaled(target.kind, shown, scale, is_patch=options.is_patch)
            return self._update(plain, whole, replace(options, is_patch=False, via="scale"))

        written = await self._settle(plain, decide)
        return replace(written, body=encode(scale_of(target.kind, decode(written.body))))

    # -- storing -------------------------------------------------------------------------------

    def _store_new(
        self,
        type: Literal["ADDED", "MODIFIED", "DELETED"],
        target: Target,
        body: Object,
        old: Row | None,
        options: Options,
    ) -> _Decided:
        kind = target.kind
        if options.is_dry_run:
            row = row_of(body, old.version if old else 0)
            return _Decided(Written(body_of(kind, row)))
        row = row_of(body, self._store.next_version())
        commit = self._store.submit(kind.key, type, row, mark(kind, type, row, body, self._clock.now()))
        if type == "DELETED":
            self._restore(target)
        return _Decided(Written(body_of(kind, row)), commit)

    async def _settle(self, target: Target, decide: Callable[[], _Decided]) -> Written:
        """Decides now, answers when all that the answer rests on is committed."""
        try:
            decided = decide()
        except ApiError:
            under_way = self._store.settled(target.kind.key, target.place)
            if under_way is not None:
                await under_way
            raise
        commit = decided.commit or self._store.settled(target.kind.key, target.place)
        if commit is not None:
            await commit
        return decided.written

    def _newest(self, target: Target) -> Row:
        row = self._store.newest(target.kind.key, target.place)
        if row is None:
            raise not_found(target.kind, target.name)
        return row

    def _shown(self, target: Target) -> Object:
        """The newest state in the version that the request speaks."""
        return decode(body_of(target.kind, self._newest(target)))

    def _free_name(self, target: Target, prefix: str) -> str:
        for _ in range(_NAME_TRIES):
            name = generated_name(prefix)
            if self._store.newest(target.kind.key, (target.namespace, name)) is None:
                return name
        raise already_exists(target.kind, name)

    def _check_home(self, target: Target) -> None:
        """Whether objects of this kind may be made there now."""
        kind = target.kind
        if kind.is_terminating:
            raise not_allowed("create not allowed while custom resource definition is terminating")
        if not kind.resource.is_namespaced:
            return
        home = self._store.newest(_NAMESPACES, ("", target.namespace))
        if home is None:
            raise no_namespace(target.namespace)
        if home.is_deleting:
            raise ending_namespace(kind, target.name, target.namespace)


def _answer(
    decided: _Decided, warnings: Sequence[str], *, is_created: bool = False, is_removed: bool = False
) -> _Decided:
    written = replace(decided.written, warnings=tuple(warnings), is_created=is_created, is_removed=is_removed)
    return decided._replace(written=written)
