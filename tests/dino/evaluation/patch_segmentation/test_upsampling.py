"""Class by class it is what all classes at once give."""

import pytest
import torch
from torch.nn import functional as F

from dino_pipeline.dino.evaluation.patch_segmentation.measure import upsampled_argmax


@pytest.mark.parametrize("size", [(31, 44), (4, 3), (2, 5)])
def test_it_is_the_argmax_of_the_scores_that_torch_upsamples(size):
    scores = torch.randn(5, 6, 7, generator=torch.Generator().manual_seed(0))
    enlarged = F.interpolate(scores.permute(2, 0, 1)[None], size, mode="bilinear")[0]
    torch.testing.assert_close(upsampled_argmax(scores, *size), enlarged.argmax(dim=0))


def test_of_equal_scores_the_first_wins():
    assert upsampled_argmax(torch.zeros(1, 1, 3), 1, 2).tolist() == [[0, 0]]
