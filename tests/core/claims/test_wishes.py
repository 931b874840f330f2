"""The annotations of claimed work, and what a message's text may not become."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.core.claims.expansion import doubled, expansion_problems, mentions, references
from tidegate.core.claims.wishes import Statements, Wishes, wish_problems, wishes_of


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, Wishes()),
        ({"claim": "true"}, Wishes(claim=True)),
        ({"claim": "false"}, Wishes(claim=False)),
        ({"claim": "yes"}, Wishes()),
        ({"claim-attempts": "2", "claim-lease": "30"}, Wishes(attempts=2, lease_s=30)),
        ({"claim-attempts": "0", "claim-lease": "1"}, Wishes()),
        ({"claim-jobs-per-hour": "10"}, Wishes(hourly=10)),
        ({"claim-encoding": "base64"}, Wishes(encoding="base64")),
        ({"claim-dead-letter": "bad", "claim-end": "tail"}, Wishes(dead_letter="bad", end="tail")),
        ({"claim-by": "file", "claim-too-large": "dead-letter"}, Wishes(by="file", too_large="dead-letter")),
        (
            {
                "claim-table": "t",
                "claim-take": " A ",
                "claim-done": "B",
                "claim-failed": "C",
                "claim-back": "D",
            },
            Wishes(statements=Statements("t", "A", "B", "C", "D")),
        ),
    ],
)
def test_annotations_as_values(annotations: dict[str, str], expected: Wishes) -> None:
    assert wishes_of({f"tidegate.dev/{key}": text for key, text in annotations.items()}) == expected


@pytest.mark.parametrize(
    ("key", "text", "told"),
    [
        ("claim", "yes", '"yes" is neither "true" nor "false"'),
        ("claim-attempts", "0", '"0" is no whole number from 1 to 1000'),
        ("claim-attempts", "five", '"five" is no whole number from 1 to 1000'),
        ("claim-lease", "1", '"1" is no whole number from 3 to 43200'),
        ("claim-end", "left", '"left" is neither "head" nor "tail"'),
        ("claim-attemps", "2", "nothing reads this annotation"),
        ("claim", "true", ""),
        ("claims", "held", ""),
        ("round", "x", ""),
    ],
)
def test_annotations_that_cannot_be_read_are_told(key: str, text: str, told: str) -> None:
    found = [str(one) for one in wish_problems({f"tidegate.dev/{key}": text})]
    assert len(found) == bool(told)
    assert all(told in one for one in found)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$(A) and $(B)", ["A", "B"]),
        ("$$(A)", []),
        ("$$$(A)", ["A"]),
        ("$A ${A} $(", []),
        ('sh -c "$(date)"', ["date"]),
    ],
)
def test_what_kubernetes_would_replace(text: str, names: list[str]) -> None:
    assert list(references(text)) == names


@pytest.mark.parametrize("body", ["$(PATH)", "$$", "$", "a$b$(c)$$(d)", "", "`id`; $(id)\n'\""])
def test_a_body_survives_expansion_as_it_is(body: str) -> None:
    assert not list(references(doubled(body)))
    assert doubled(body).replace("$$", "$") == body


def container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", **fields}]}}


@pytest.mark.parametrize(
    ("template", "places"),
    [
        (container(args=["--data", "$(KEDA_TASK_DATA)"]), ["containers[0].args[1]"]),
        (container(command=["sh", "-c", "work $(KEDA_TASK_ID)"]), ["containers[0].command[2]"]),
        (container(command=["sh", "-c", 'work "$KEDA_TASK_DATA"']), []),
        (container(command=["sh", "-c", "work $$(KEDA_TASK_DATA)"]), []),
        # by way of another variable
        (
            container(env=[{"name": "INPUT", "value": "<$(KEDA_TASK_DATA)>"}], args=["$(INPUT)"]),
            ["containers[0].args[0]"],
        ),
        (container(env=[{"name": "INPUT", "value": "$(KEDA_TASK_DATA)"}], args=["$INPUT"]), []),
        (
            {"spec": {"initContainers": [{"name": "i", "args": ["$(KEDA_TASK_ATTRIBUTES)"]}]}},
            ["initContainers[0].args[0]"],
        ),
        (None, []),
        ({"spec": {"containers": "none"}}, []),
    ],
)
def test_a_messages_text_in_a_command_is_refused(template: Any, places: list[str]) -> None:
    found = list(expansion_problems(template))
    assert [one.path for one in found] == [f"spec.jobTargetRef.template.spec.{place}" for place in places]
    assert all("let the shell read it" in one.message for one in found)


def test_a_template_that_mentions_the_variable_is_known() -> None:
    assert mentions(container(command=["sh", "-c", "work $KEDA_TASK_DATA"]))
    assert not mentions(container(command=["sh", "-c", "work"]))
