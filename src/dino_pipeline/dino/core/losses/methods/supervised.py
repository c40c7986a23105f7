"""The supervised baseline: cross-entropy with the images' labels, on the same backbone, views and budget."""

import torch.nn.functional as F

from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.loss import Answers, Judged, Loss, at_least_float32, without_distribution

UNKNOWN = -100  # a label that is left out of the mean


class Labels(Loss):
    """Every view is to tell its image's class; the teacher is not asked."""

    def __init__(self, config: LossConfig, num_scores: int) -> None:  # noqa: ARG002  as every loss is built
        super().__init__()

    def forward(self, answers: Answers) -> Judged:
        assert answers.labels is not None, "training gives labels to this loss (Run.labels_of)"
        num_crops = len(answers.student)
        scores = at_least_float32(answers.student.flatten(0, 1))
        return without_distribution(
            F.cross_entropy(scores, answers.labels.repeat(num_crops), ignore_index=UNKNOWN)
        )
