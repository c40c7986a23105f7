"""A row's accuracy with its intervals: over test images, over seeds, and relative to random initialisation.

Over images: the bootstrap of the mean over the row's models. It shows whether other images of this kind would agree.
Over seeds: Student's t interval. It shows whether other trainings would agree. A bootstrap of three values would be
little more than a third as wide, since it never sees an untried seed; t allows for untried seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dino_pipeline.dino.metrics.bootstrap import Groups, MeanInterval, bootstrap_mean
from dino_pipeline.dino.metrics.paired_difference import PairedDifference, paired_difference
from dino_pipeline.dino.metrics.student_t import interval
from dino_pipeline.experiments.compare.scoring import Scores


@dataclass(frozen=True, kw_only=True)
class RowAccuracy:
    """Accuracy of a row on one split, as shares in [0, 1].

    Attributes:
        by_model: accuracy of each model of the row; their mean is the row's accuracy.
        over_images: the mean with the bootstrap interval.
        over_seeds: the mean with Student's interval; None for a single model.
        over_random: gain over the same networks untrained, image by image; None for the baselines.
        share_correct: [images], the share of the row's models that classified each image.
        groups: the groups of the images; the bootstrap resamples whole groups.
    """

    by_model: tuple[float, ...]
    over_images: MeanInterval
    over_seeds: MeanInterval | None
    over_random: PairedDifference | None
    share_correct: Tensor
    groups: Groups | None

    @property
    def intervals(self) -> list[MeanInterval]:
        """The intervals that exist."""
        return [self.over_images, *([self.over_seeds] if self.over_seeds else [])]


def row_accuracy(
    correct: Sequence[Tensor], random: Sequence[Tensor] | None, groups: Groups | None = None
) -> RowAccuracy:
    """Compute the accuracy of one or more models.

    Args:
        correct: per model, bool [images]: whether the model classified the image correctly.
        random: the same for the untrained networks.
        groups: the groups of the images.
    """
    share = torch.stack(list(correct)).double().mean(dim=0)
    by_model = tuple(float(hits.double().mean()) for hits in correct)
    mean, half_width = interval(by_model)
    return RowAccuracy(
        by_model=by_model,
        over_images=bootstrap_mean(share, groups=groups),
        over_seeds=None if half_width is None else MeanInterval(mean, mean - half_width, mean + half_width),
        over_random=None
        if random is None
        else paired_difference(torch.stack(list(random)).double().mean(dim=0), share, groups=groups),
        share_correct=share,
        groups=groups,
    )


def measure_models(scores: Sequence[Scores], splits: Sequence[str]) -> Mapping[str, RowAccuracy]:
    """Compute the accuracy of a row of models, by split."""
    return {
        split: row_accuracy(
            [one.correct["teacher"][split] for one in scores],
            [one.correct["random"][split] for one in scores],
            scores[0].groups[split],
        )
        for split in splits
    }


def measure_baseline(scores: Scores, network: str, splits: Sequence[str]) -> Mapping[str, RowAccuracy]:
    """Compute the accuracy of a baseline, by split."""
    return {
        split: row_accuracy([scores.correct[network][split]], None, scores.groups[split]) for split in splits
    }
