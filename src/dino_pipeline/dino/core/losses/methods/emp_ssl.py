"""EMP-SSL's agreement (arXiv:2304.03977, equation 2): each view's embedding with the mean of all views of its image.

Alone it collapses: `loss.coding_rate_weight` keeps the embeddings of different images apart.
"""

import torch.nn.functional as F

from dino_pipeline.dino.core.losses.loss import Loss, LossInput, LossOutput, at_least_float32


class EMPSSLLoss(Loss):
    """1 less the cosine of each view and the mean of the views, local ones included. It needs no teacher."""

    def compare(self, inputs: LossInput) -> LossOutput:
        """Mean over views and images."""
        views = F.normalize(at_least_float32(inputs.student_logits), dim=-1)
        mean = F.normalize(views.mean(dim=0), dim=-1)
        return LossOutput(1 - (views * mean).sum(dim=-1).mean())
