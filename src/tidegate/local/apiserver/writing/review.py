"""The review of a write, in the order of its steps: decode, conform, check, ask the admissions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tidegate.api.validation.advice import unknown_field
from tidegate.base.problems import Problem, join
from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.honoured.conditions import no_node
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import bad_request, invalid, strict, unreadable, unreadable_patch
from tidegate.local.apiserver.scale import scale_problems
from tidegate.local.apiserver.validation import builtin_kinds, custom_resources, fields, immutable_fields
from tidegate.local.apiserver.validation.crd import crd_warnings
from tidegate.local.apiserver.validation.object_metadata import (
    changed_outside_status,
    finalizer_warnings,
    metadata_problems,
)
from tidegate.local.apiserver.writing import admission, unhonoured
from tidegate.local.objects import BUILT_IN, Object

FieldValidation = Literal["Strict", "Warn", "Ignore"]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a body is read; `is_patch`: see `verbs.Options`."""

    validation: FieldValidation
    is_patch: bool = False

    def refusal(self, kind: Kind, why: str) -> ApiError:
        return unreadable_patch(why) if self.is_patch else unreadable(kind, why)


class Review:
    """Refuses with every problem at once (422); what only needs saying comes back as warnings."""

    def __init__(
        self, admissions: Sequence[admission.Admission], node: Callable[[], Object | None] = no_node
    ) -> None:
        """`node` is the one node as it is now."""
        self._admissions = admissions
        self._node = node

    def decode(self, kind: Kind, body: Object, how: Decoding) -> list[str]:
        """See `pruned`."""
        return pruned(kind, body, how)

    def check(
        self,
        kind: Kind,
        new: Object,
        old: Object | None,
        validation: FieldValidation,
        problems: Sequence[Problem],
    ) -> list[str]:
        """Validates a complete object; `problems` were found on the way here."""
        found = list(problems)
        warnings: list[str] = []
        unknown: Sequence[str] = ()
        if old is not None and _only_lets_go(kind, old, new):
            found += metadata_problems(kind, new["metadata"])
            if found:
                raise _invalid(kind, new, found)
            return warnings
        if kind.is_custom:
            unknown, wrong = custom_resources.conform(kind, new)
            found += [*metadata_problems(kind, new["metadata"]), *wrong, *scale_problems(kind, new)]
        else:
            found += builtin_kinds.problems(kind, new, old)
        if old is not None:
            found += immutable_fields.problems(kind, old, new)
        refused, said = admission.review(
            self._admissions, "CREATE" if old is None else "UPDATE", kind, new, old
        )
        found = admission.together(found, refused)
        warnings += said
        warnings += finalizer_warnings(kind, new["metadata"], (old or {}).get("metadata") or {})
        if kind.key == custom_resources.CRD_KEY and BUILT_IN not in (new["metadata"].get("labels") or {}):
            warnings += crd_warnings(new)
        warnings += unhonoured.warnings(kind, new, old, self._node) if not found else []
        if found and validation == "Strict":
            # One answer for all that is wrong; alone, an unknown field gets the API's own answer to it.
            found += [_forbidden(new, path) for path in unknown]
        if found:
            raise _invalid(kind, new, found)
        return [*_unknown(unknown, validation), *warnings]

    def conform(self, kind: Kind, new: Object, validation: FieldValidation) -> list[str]:
        """A custom object after a write to its status."""
        unknown, wrong = custom_resources.conform(kind, new)
        wrong = [*wrong, *scale_problems(kind, new)]
        if wrong:
            raise _invalid(kind, new, wrong)
        return _unknown(unknown, validation)

    def farewell(self, kind: Kind, old: Object) -> list[str]:
        """What the admissions say about a deletion."""
        refused, said = admission.review(self._admissions, "DELETE", kind, None, old)
        if refused:
            raise _invalid(kind, old, refused)
        return said


def pruned(kind: Kind, body: Object, how: Decoding) -> list[str]:
    """Takes away what no built-in kind has. Refuses values of a wrong type, and unknown ones if Strict."""
    findings = fields.prune(kind, body)
    if findings.problems:
        raise how.refusal(kind, join(findings.problems))
    if findings.unknown and how.validation == "Strict":
        raise how.refusal(kind, strict(findings.unknown))
    return _unknown(findings.unknown, how.validation)


def _only_lets_go(kind: Kind, old: Object, new: Object) -> bool:
    """Whether a write to a deleted object leaves its content alone: rules that came later than the
    object must not keep its finalizers from being taken away."""
    return "deletionTimestamp" in old["metadata"] and not changed_outside_status(kind, old, new)


def _invalid(kind: Kind, body: Object, problems: Sequence[Problem]) -> ApiError:
    meta = body["metadata"]
    return invalid(kind, str(meta.get("name", "")), problems)


def _forbidden(body: Object, path: str) -> Problem:
    """An unknown field beside other problems, with the one that may be meant."""
    problem = unknown_field(body, path)
    return replace(problem, message=f"Forbidden: {problem.message}")


def _unknown(paths: Sequence[str], validation: FieldValidation) -> list[str]:
    if paths and validation == "Strict":
        raise bad_request(strict(paths))
    return [f'unknown field "{path}"' for path in paths] if validation == "Warn" else []
