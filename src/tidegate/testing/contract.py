"""The contract as a class of tests, for pytest."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tidegate.kit.scaler import Scaler
from tidegate.testing import rules
from tidegate.testing.sheets import Sample, sheet_of


class TriggerContract:
    """A subclass whose name begins with `Test` names the class of the trigger types.

    `sample` says what their server answers to the example of the page, and `samples` does so for a type that
    needs another.
    """

    kind: ClassVar[type[Scaler]]
    sample: ClassVar[Sample] = Sample()
    samples: ClassVar[dict[str, Sample]] = {}

    @pytest.mark.parametrize("rule", rules.ALL, ids=lambda rule: rule.__name__)
    def test_every_type_keeps_the_contract(self, rule: rules.Rule) -> None:
        if rule not in rules.rules_for(self.kind):
            pytest.skip("not for a class of this sort")
        for trigger_type in self.kind.types:
            rule(sheet_of(self.kind, trigger_type, self.samples.get(trigger_type, self.sample)))

    def test_it_has_a_type(self) -> None:
        assert self.kind.types
