"""The opensearch trigger's answers for the contract; its rules stand with those of elasticsearch."""

from __future__ import annotations

from parts.samples import Sample

SAMPLES = {"opensearch": Sample(may_be_negative=True)}


def test_it_may_be_negative() -> None:
    assert SAMPLES["opensearch"].may_be_negative
