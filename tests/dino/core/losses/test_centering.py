"""Centering by hand."""

import torch

from dino_pipeline.dino.core.losses.centering import Center

TAKEN = torch.tensor(False)


def test_center_moves_a_tenth_of_the_way_to_the_batch_mean() -> None:
    center = Center(num_prototypes=2, momentum=0.9)
    center.update(torch.tensor([[[1.0, 10.0]], [[3.0, 30.0]]]), skip=TAKEN)  # two views of one image
    torch.testing.assert_close(center.center, torch.tensor([[0.2, 2.0]]))


def test_targets_sharpen_what_exceeds_the_center() -> None:
    center = Center(num_prototypes=2, momentum=0.0)
    center.update(torch.tensor([[[5.0, 1.0]]]), skip=TAKEN)
    scores = torch.tensor([[[5.0, 1.0], [5.5, 1.0]]])
    targets = center.targets(scores, teacher_temperature=0.5)
    torch.testing.assert_close(targets[0, 0], torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(targets[0, 1, 0] / targets[0, 1, 1], torch.tensor(2.718281828))


def test_a_skipped_step_leaves_the_center_as_it_is() -> None:
    center = Center(2, momentum=0.9)
    center.update(torch.tensor([[[1.0, 10.0]]]), skip=TAKEN)
    before = center.center.clone()
    center.update(torch.tensor([[[float("nan"), 1.0]]]), skip=torch.tensor(True))
    assert torch.equal(center.center, before)
