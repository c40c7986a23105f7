"""Compare a training that started from pretrained weights with its start, on held-out images."""

import json
from pathlib import Path
from typing import Any

import torch

from dino_pipeline.dino.metrics.bootstrap import Groups
from dino_pipeline.dino.metrics.paired_difference import paired_difference
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.training.online_evaluation import FeatureQuality

START = "start.pt"
VERDICT = "verdict.json"


def compare(start: FeatureQuality, end: FeatureQuality, groups: Groups | None = None) -> dict[str, Any]:
    """Return the verdict: better, worse or the same by k-NN accuracy and its 95 % interval; `unjudged` without labels.

    Args:
        groups: of the evaluated images; the bootstrap resamples whole groups.
    """
    verdict: dict[str, Any] = {
        "verdict": "unjudged",
        "effective_rank": [start.effective_rank, end.effective_rank],
        "feature_std": [start.feature_std, end.feature_std],
    }
    if start.correct is None or end.correct is None:
        return verdict
    change = paired_difference(start.correct, end.correct, groups=groups)
    word = "better" if change.low > 0 else "worse" if change.high < 0 else "the same"
    return verdict | {
        "verdict": word,
        "knn": [start.accuracy, end.accuracy],
        "difference": change.difference,
        "interval": [change.low, change.high],
        "num_images": len(start.correct),
    }


def sentence(verdict: dict[str, Any]) -> str:
    """The verdict as a sentence."""
    shape = (
        f"effective rank {verdict['effective_rank'][0]:.1f} to {verdict['effective_rank'][1]:.1f}, "
        f"feature std {verdict['feature_std'][0]:.4f} to {verdict['feature_std'][1]:.4f}"
    )
    if "knn" not in verdict:
        return f"without labels it is unknown whether the teacher is better than its initial weights: {shape}"
    before, after = verdict["knn"]
    low, high = verdict["interval"]
    words = {
        "better": "better than",
        "worse": "worse than",
        "the same": "as good, according to these images, as",
    }
    return (
        f"the teacher is {words[verdict['verdict']]} its initial weights: k-NN {100 * before:.1f} to "
        f"{100 * after:.1f} % of {verdict['num_images']:,} validation images, {100 * verdict['difference']:+.1f} "
        f"points (95 % interval {100 * low:+.1f} to {100 * high:+.1f}); {shape}"
    )


def describe_start(start: FeatureQuality) -> str:
    """The results of the starting weights as a sentence."""
    knn = (
        ""
        if start.correct is None
        else f"k-NN {100 * start.accuracy:.1f} % of {len(start.correct):,} validation images, "
    )
    return f"before the first step: {knn}effective rank {start.effective_rank:.1f}, feature std {start.feature_std:.4f}"


def save_start(start: FeatureQuality, path: Path) -> None:
    """Save the results of the starting weights, image by image."""
    with written_whole(path) as partial, partial.open("wb") as file:
        torch.save(start._asdict(), file)


def load_start(path: Path) -> FeatureQuality:
    """Read what `save_start` wrote."""
    return FeatureQuality(**torch.load(path, weights_only=True))


def read_verdict(model: Path) -> dict[str, Any] | None:
    """A finished model's verdict; None if it started from random weights."""
    file = model / VERDICT
    verdict: dict[str, Any] | None = json.loads(file.read_text()) if file.is_file() else None
    return verdict
