"""From images to mIoU: what is easy is found, and the numbers are those of the predicted masks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from torch.nn import functional as F

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.patch_segmentation.measure import segment, upsampled_argmax
from dino_pipeline.dino.evaluation.patch_segmentation.split import split_images
from dino_pipeline.dino.evaluation.patch_segmentation.tokens import Tokenizer, labelled_patches

VIT = {"img_size": 48, "patch_size": 16, "embed_dim": 48, "depth": 1, "num_heads": 3}


def tokenizer(name, options, size):
    torch.manual_seed(0)
    backbone = build_backbone(BackboneConfig(name=name, options=options, drop_path_rate=0.0)).eval()
    return Tokenizer(backbone, size, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))


def test_colours_are_told_apart_by_tokens_of_an_untrained_vit(config):
    split = split_images(config, project_folder=Path())
    shown = split.evaluated.ids[:2]
    found = segment(tokenizer("vit_tiny_patch16_224", VIT, 48), split, config, shown=shown)
    assert list(found.measures) == ["knn_1", "knn_5", "linear"]
    for head in found.measures.values():
        assert head["miou"] > 0.7, "patches are whole tiles; bilinear borders cost the rest"
    assert found.measures["linear"]["learning_rate"] in config.linear.learning_rates
    assert list(found.predicted) == list(shown)

    again = segment(tokenizer("vit_tiny_patch16_224", VIT, 48), split, config, shown=split.evaluated.ids)
    assert again.measures == found.measures
    truth = np.concatenate([split.evaluated.mask(id_).ravel() for id_ in split.evaluated.ids])
    predicted = torch.cat([again.predicted[id_].flatten() for id_ in split.evaluated.ids]).numpy()
    known = truth != 255
    expected = jaccard_score(truth[known], predicted[known], average="macro")
    assert found.measures["linear"]["miou"] == pytest.approx(expected, rel=1e-12)


def test_a_convnet_is_measured_on_its_last_map(config):
    resized = replace(config, image_size=96)
    split = split_images(resized, project_folder=Path())
    found = segment(tokenizer("resnet10t", {}, 96), split, resized, shown=())
    assert 0 < found.measures["linear"]["miou"] <= 1


def test_labelled_patches_are_few_seeded_and_never_void(config):
    split = split_images(config, project_folder=Path())
    vit = tokenizer("vit_tiny_patch16_224", VIT, 48)
    few = labelled_patches(vit, split.labelled, replace(config, patches_per_image=4))
    assert few.tokens.shape == (20, 48)
    assert few.images.bincount().tolist() == [4] * 5
    assert set(few.labels.tolist()) <= {0, 3, 8}
    every = labelled_patches(vit, split.labelled, replace(config, patches_per_image=None))
    assert len(every.labels) == 5 * 12
    first = split.labelled.mask(split.labelled.ids[0])[8::16, 8::16]
    assert sorted(every.labels[:12].tolist()) == sorted(first.flatten().tolist())


@pytest.mark.parametrize("size", [(31, 44), (4, 3), (2, 5)])
def test_it_is_the_argmax_of_the_scores_that_torch_upsamples(size):
    scores = torch.randn(5, 6, 7, generator=torch.Generator().manual_seed(0))
    enlarged = F.interpolate(scores.permute(2, 0, 1)[None], size, mode="bilinear")[0]
    torch.testing.assert_close(upsampled_argmax(scores, *size), enlarged.argmax(dim=0))


def test_of_equal_scores_the_first_wins():
    assert upsampled_argmax(torch.zeros(1, 1, 3), 1, 2).tolist() == [[0, 0]]
