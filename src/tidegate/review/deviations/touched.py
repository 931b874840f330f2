"""All deviations that touch an object."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.review.deviations import objects, triggers
from tidegate.review.deviations.rule import Subject, Touch
from tidegate.review.manifest import Review


def touched(object: ScaledObject | ScaledJob, review: Review) -> Iterator[Touch]:
    """Those of the object's own fields, then those of its triggers."""
    subject = Subject(object, review)
    for rule in objects.RULES:
        for path, text in rule.find(subject):
            yield Touch(path, text, rule.line)
    yield from triggers.touches(subject)


LINES = tuple(dict.fromkeys(rule.line for rule in (*objects.RULES, *triggers.RULES)))
"""How the lines begin that have a rule."""
