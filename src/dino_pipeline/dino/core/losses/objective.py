"""The whole objective: a loss between student and teacher, and a term that spreads features."""

from torch import Tensor

from dino_pipeline.dino.core.losses.barlow_twins import BarlowTwins
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.cross_entropy import CrossEntropy
from dino_pipeline.dino.core.losses.distillation import Distillation
from dino_pipeline.dino.core.losses.info_nce import InfoNCE
from dino_pipeline.dino.core.losses.koleo import koleo
from dino_pipeline.dino.core.losses.labels import Labels
from dino_pipeline.dino.core.losses.loss import Answers, Judged, Loss
from dino_pipeline.dino.core.losses.mse import MSE

_LOSSES = {
    "cross_entropy": CrossEntropy,
    "mse": MSE,
    "info_nce": InfoNCE,
    "labels": Labels,
    "barlow_twins": BarlowTwins,
    "distillation": Distillation,
}


class Objective(Loss):
    """The loss that a configuration names, with KoLeo's term where it has a weight."""

    def __init__(self, config: LossConfig, num_scores: int) -> None:
        super().__init__()
        self.between = _LOSSES[config.name](config, num_scores)
        self.koleo_weight = config.koleo_weight

    def forward(self, answers: Answers) -> Judged:
        judged: Judged = self.between(answers)
        if not self.koleo_weight:
            return judged
        global_features = answers.features[: len(answers.teacher)].to(judged.loss.dtype)
        return judged._replace(loss=judged.loss + self.koleo_weight * koleo(global_features))

    def update(self, teacher: Tensor, *, skip: Tensor) -> None:
        self.between.update(teacher, skip=skip)
