"""An entry of the log of promotions, and a line that says it."""

from typing import Literal

from dino_pipeline.dino.core.config import frozen


@frozen
class Comparison:
    """How two did on the same images, in shares or, without labels, in effective ranks."""

    metric: str  # knn_<k> or effective_rank
    before: float
    after: float
    gain: float
    interval: tuple[float, float] | None  # of the gain; None without labels
    confidence: float | None
    num_images: int  # of validation
    data_digest: str  # of the whole manifest, whose training images voted
    validation_digest: str  # of the rows that were asked

    def reversed(self) -> "Comparison":
        """Seen from the other side."""
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
class Entry:
    """Who made what the champion, when and why."""

    kind: Literal["promotion", "rollback"]
    when: str  # ISO 8601, UTC
    who: str
    before: int | None  # the champion until then; None: there was none, and raw pixels were to be beaten
    after: int
    comparison: Comparison
    commit: str  # that was checked out
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
