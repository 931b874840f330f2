"""What a definition does not keep is told once, and written only beside what it keeps."""

from __future__ import annotations

import pytest

from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS
from tidegate.operator.reconcile.kept_fields import KeptFields


def test_what_was_not_kept_is_worth_no_write_of_its_own_until_it_is(caplog: pytest.LogCaptureFixture) -> None:
    fields = KeptFields()
    assert fields.is_worth(SCALED_OBJECTS, {"conditions": [], "health": {}})
    assert not fields.is_worth(SCALED_OBJECTS, {})
    for _ in range(2):
        fields.wrote(SCALED_OBJECTS, {"conditions": [1], "health": {}}, {"status": {"conditions": [1]}})
    assert not fields.is_worth(SCALED_OBJECTS, {"health": {}})
    assert fields.is_worth(SCALED_OBJECTS, {"health": {}, "conditions": []})
    assert fields.is_worth(SCALED_JOBS, {"health": {}})
    assert [one.fields for one in caplog.records] == ["health"]
    fields.wrote(SCALED_OBJECTS, {"conditions": [2]}, {"status": {"conditions": [2], "health": {}}})
    assert fields.is_worth(SCALED_OBJECTS, {"health": {}})


def test_what_was_taken_away_or_not_written_at_all_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    fields = KeptFields()
    fields.wrote(SCALED_OBJECTS, {"health": None}, {"status": {}})
    fields.wrote(SCALED_OBJECTS, {"conditions": []}, {})
    assert fields.is_worth(SCALED_OBJECTS, {"health": {}})
    assert fields.is_worth(SCALED_OBJECTS, {"conditions": []})
    assert not caplog.records
