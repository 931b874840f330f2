"""What the annotations of an object ask for."""

from __future__ import annotations

import pytest

from tidegate.core.control_annotations import Pause, is_set, pause_of

PAUSED = "autoscaling.keda.sh/paused"
REPLICAS = "autoscaling.keda.sh/paused-replicas"
IN, OUT = "autoscaling.keda.sh/paused-scale-in", "autoscaling.keda.sh/paused-scale-out"


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (None, Pause()),
        ({}, Pause()),
        ({"autoscaling.keda.sh/force-activation": "true"}, Pause()),
        ({PAUSED: "true"}, Pause(True)),
        ({PAUSED: "false"}, Pause()),
        ({PAUSED: "perhaps"}, Pause(True)),
        ({REPLICAS: "5"}, Pause(True, 5)),
        ({REPLICAS: "0"}, Pause(True, 0)),
        ({REPLICAS: "5", PAUSED: "true"}, Pause(True, 5)),
        ({REPLICAS: "5", PAUSED: "false"}, Pause(True, 5)),
        ({REPLICAS: "not-a-number"}, Pause(True, None, "not-a-number")),
        ({REPLICAS: ""}, Pause(True, None, "")),
        ({IN: "true"}, Pause(is_scale_in_paused=True)),
        ({OUT: "true"}, Pause(is_scale_out_paused=True)),
        ({IN: "true", OUT: "false"}, Pause(is_scale_in_paused=True)),
        # a full pause wins over the halves
        ({IN: "true", OUT: "true", PAUSED: "true"}, Pause(True)),
    ],
)
def test_what_is_paused(annotations: dict[str, str] | None, expected: Pause) -> None:
    assert pause_of(annotations) == expected
    assert pause_of(annotations).is_any == (expected != Pause())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("1", True), ("", True), ("yes", True), ("false", False), ("0", False), ("F", False)],
)
def test_a_switch_is_on_unless_it_says_false(text: str, expected: bool) -> None:
    assert is_set({PAUSED: text}, PAUSED) is expected
    assert not is_set({}, PAUSED)
    assert not is_set(None, PAUSED)
