"""The supervised baseline: cross-entropy with the images' labels, on the same backbone, views and budget."""

from typing import ClassVar

import torch.nn.functional as F

from dino_pipeline.dino.core.data.dataset import UNKNOWN_LABEL
from dino_pipeline.dino.core.losses.loss import Loss, LossInput, LossOutput, at_least_float32


class SupervisedLoss(Loss):
    """Predicts the class of an image from each of its views. The teacher is not used."""

    needs_labels: ClassVar[bool] = True

    def compare(self, inputs: LossInput) -> LossOutput:
        """Mean over crops and images with a label."""
        assert inputs.labels is not None, "the loader gives labels to a loss with needs_labels"
        num_crops = len(inputs.student_logits)
        logits = at_least_float32(inputs.student_logits.flatten(0, 1))
        labels = inputs.labels.repeat(num_crops)
        return LossOutput(F.cross_entropy(logits, labels, ignore_index=UNKNOWN_LABEL))
