"""Masks lie where the attention that they come from lies."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.attention import class_attention, most_attended
from dino_pipeline.dino.evaluation.attention_segmentation.measure import Normalisation, head_masks
from dino_pipeline.dino.features.evaluation_transform import normalise

HALF = Normalisation(mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
IMAGE = np.random.default_rng(0).integers(0, 256, (21, 35, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    options = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
    return build_backbone(
        BackboneConfig(name="vit_tiny_patch16_224", options=options, drop_path_rate=0.0)
    ).eval()


def test_an_image_at_its_own_size_loses_what_is_no_whole_patch(vit):
    found = head_masks(vit, IMAGE, HALF, image_size=None, mass=0.6)
    seen = torch.from_numpy(IMAGE[:16, :32]).permute(2, 0, 1)[None]
    kept = most_attended(class_attention(vit, normalise(seen, *HALF)), 0.6)[0].numpy()
    assert kept.shape == (3, 2, 4)
    np.testing.assert_array_equal(found, kept.repeat(8, axis=1).repeat(8, axis=2))


def test_a_resized_image_gives_masks_in_pixels_of_the_original(vit):
    # 21x35 becomes 42x70, of which 40x64 are whole patches: 20x32 pixels of the original, 4 a patch.
    found = head_masks(vit, IMAGE, HALF, image_size=42, mass=0.6)
    assert found.shape == (3, 20, 32)
    kept = found[:, ::4, ::4]
    np.testing.assert_array_equal(found, kept.numpy().repeat(4, axis=1).repeat(4, axis=2))
    assert not kept.all()


def test_an_image_below_a_patch_is_refused(vit):
    with pytest.raises(ValueError, match=r"7x30 px is smaller than a patch of 8 px.*image_size"):
        head_masks(vit, np.zeros((30, 7, 3), np.uint8), HALF, image_size=None, mass=0.6)
