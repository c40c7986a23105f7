"""The log of promotions: its records, the champion according to them, and both as text."""

from collections.abc import Sequence
from typing import Literal

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.tracking.registry import Version


@frozen
class Comparison:
    """Two models measured on the same images: k-NN accuracies or, without labels, effective ranks."""

    metric: str  # knn_<k> or effective_rank
    before: float
    after: float
    gain: float
    interval: tuple[float, float] | None  # interval of the gain; None without labels
    confidence: float | None
    num_images: int  # number of validation images
    data_digest: str  # of the whole manifest, whose training images are the k-NN bank
    validation_digest: str  # of the measured rows

    def reversed(self) -> "Comparison":
        """The same comparison with both models exchanged."""
        low_high = None if self.interval is None else (-self.interval[1], -self.interval[0])
        return Comparison(
            metric=self.metric,
            before=self.after,
            after=self.before,
            gain=-self.gain,
            interval=low_high,
            confidence=self.confidence,
            num_images=self.num_images,
            data_digest=self.data_digest,
            validation_digest=self.validation_digest,
        )

    def __str__(self) -> str:
        if self.interval is None:
            return f"effective rank {self.before:.1f} to {self.after:.1f} on {self.num_images:,} images, without labels"
        assert self.confidence is not None
        low, high = self.interval
        return (
            f"{self.metric} {100 * self.before:.1f} to {100 * self.after:.1f} % of {self.num_images:,} validation "
            f"images, {100 * self.gain:+.1f} points ({100 * self.confidence:g} % interval {100 * low:+.1f} to "
            f"{100 * high:+.1f})"
        )


@frozen
class AuditRecord:
    """A change of the champion: author, time and reason."""

    kind: Literal["promotion", "rollback"]
    when: str  # ISO 8601, UTC
    who: str
    before: int | None  # the previous champion; None: there was none, and raw pixels were the rival
    after: int
    comparison: Comparison
    commit: str  # the commit that was checked out
    reason: str | None

    def __str__(self) -> str:
        came_from = "none" if self.before is None else str(self.before)
        against = " against raw pixels" if self.before is None else ""
        why = f'\n    reason: "{self.reason}"' if self.reason else ""
        return (
            f"{self.when}  {self.kind} {came_from} -> {self.after} by {self.who}\n"
            f"    {self.comparison}{against}; data {self.comparison.data_digest[:12]}, validation "
            f"{self.comparison.validation_digest[:12]}, commit {self.commit[:12]}{why}"
        )


def standing_promotion(records: Sequence[AuditRecord]) -> AuditRecord | None:
    """The last promotion that no rollback reversed; None if there is none.

    Args:
        records: the log, the oldest first.
    """
    promotions: list[AuditRecord] = []
    for record in records:
        if record.kind == "promotion":
            promotions.append(record)
        else:
            promotions.pop()
    return promotions[-1] if promotions else None


def promotion_to_undo(records: Sequence[AuditRecord], champion: int | None) -> AuditRecord:
    """The promotion that a rollback reverses.

    Args:
        records: the log, the oldest first.
        champion: the version that has the alias.

    Raises:
        ValueError: nothing was promoted, there was no champion before, or the alias is not where the log ends.
    """
    last = standing_promotion(records)
    if last is None:
        raise ValueError(
            "nothing to roll back: the log contains no promotion, or all are rolled back already"
        )
    if last.after != champion:
        raise ValueError(
            f"the log ends with version {last.after}, but the alias points to {champion or 'none'}: something "
            "other than this command moved it. Promote the version that you want"
        )
    if last.before is None:
        raise ValueError(f"version {last.after} is the first champion, so there is none to return to")
    return last


def record_text(name: str, record: AuditRecord) -> str:
    """Describe the latest change of a registered model."""
    return f"{name}/{record.after} is the champion\n{record}\n"


def log_text(records: Sequence[AuditRecord], champion: Version | None) -> str:
    """Every record, the oldest first, and a line if the alias differs from their last champion."""
    last = standing_promotion(records)
    logged, actual = last.after if last else None, champion.number if champion else None
    lines = [str(record) for record in records] or ["nothing was promoted"]
    if logged != actual:
        lines.append(
            f"the alias points to version {actual or 'none'}, but the log ends with {logged or 'none'}: something "
            "else moved the alias, or a promotion was interrupted after its log entry"
        )
    return "\n".join(lines) + "\n"
