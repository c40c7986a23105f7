"""Which promotion stands after promotions and rollbacks, and how a record reads."""

from dataclasses import replace

import pytest

from dino_pipeline.model_registry.promotion.audit_record import (
    AuditRecord,
    Comparison,
    promotion_to_undo,
    standing_promotion,
)

COMPARISON = Comparison(
    metric="knn_20",
    before=0.5,
    after=0.6,
    gain=0.1,
    interval=(0.02, 0.18),
    confidence=0.95,
    num_images=50,
    data_digest="d" * 64,
    validation_digest="v" * 64,
)
FIRST = AuditRecord(
    kind="promotion",
    when="2026-01-01T00:00:00+00:00",
    who="ada",
    before=None,
    after=1,
    comparison=COMPARISON,
    commit="c" * 40,
    reason=None,
)
SECOND = replace(FIRST, before=1, after=2)
THIRD = replace(FIRST, before=2, after=3)


def rolled_back(record: AuditRecord) -> AuditRecord:
    assert record.before is not None
    return replace(record, kind="rollback", before=record.after, after=record.before)


def test_each_rollback_takes_back_the_last_promotion_that_stands() -> None:
    assert standing_promotion([]) is None
    assert standing_promotion([FIRST, SECOND, THIRD]) == THIRD
    assert standing_promotion([FIRST, SECOND, THIRD, rolled_back(THIRD)]) == SECOND
    assert promotion_to_undo([FIRST, SECOND, THIRD, rolled_back(THIRD)], 2).before == 1
    fourth = replace(FIRST, before=2, after=4)
    assert promotion_to_undo([FIRST, SECOND, THIRD, rolled_back(THIRD), fourth], 4).before == 2
    assert standing_promotion([FIRST, SECOND, THIRD, rolled_back(THIRD), rolled_back(SECOND)]) == FIRST


def test_there_is_nothing_before_the_first_or_after_a_hand_on_the_alias() -> None:
    with pytest.raises(ValueError, match="the log contains no promotion, or all are rolled back"):
        promotion_to_undo([], None)
    with pytest.raises(ValueError, match="first champion"):
        promotion_to_undo([FIRST], 1)
    with pytest.raises(ValueError, match="log ends with version 2, but the alias points to 7"):
        promotion_to_undo([FIRST, SECOND], 7)


def test_an_entry_is_a_line_with_all_that_was_measured() -> None:
    text = str(replace(SECOND, reason="why not"))
    assert "promotion 1 -> 2 by ada" in text
    assert "knn_20 50.0 to 60.0 % of 50 validation images, +10.0 points (95 % interval +2.0 to +18.0)" in text
    assert 'reason: "why not"' in text
    assert "against raw pixels" in str(FIRST)
    assert "-10.0 points (95 % interval -18.0 to -2.0)" in str(COMPARISON.reversed())
