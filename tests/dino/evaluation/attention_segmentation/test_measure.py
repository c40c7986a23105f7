"""The paper's number is the mean over images of the mean over objects of the best head."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.attention import class_attention, most_attended
from dino_pipeline.dino.evaluation.attention_segmentation.config import AttentionSegmentationConfig
from dino_pipeline.dino.evaluation.attention_segmentation.measure import (
    Normalisation,
    best_mask,
    head_jaccards,
    head_masks,
    measure_attention,
    vits_of,
)
from dino_pipeline.dino.evaluation.voc import MaskedImages
from dino_pipeline.dino.features.evaluation_transform import normalise

HALF = Normalisation(mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
CONFIG = AttentionSegmentationConfig(
    folder=None, split="val", masks="SegmentationClass", image_size=None, mass=0.6, num_shown=1, num_threads=1
)


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    options = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
    return build_backbone(
        BackboneConfig(name="vit_tiny_patch16_224", options=options, drop_path_rate=0.0)
    ).eval()


@pytest.fixture
def images(tmp_path):
    """Three images of which the last has no object; the first has two."""
    generator = np.random.default_rng(0)
    for kind in ("JPEGImages", "SegmentationClass"):
        (tmp_path / kind).mkdir()
    for name, values in (("two", [0, 1, 4, 255]), ("one", [0, 9]), ("none", [0, 255])):
        pixels = generator.integers(0, 256, (35, 27, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "JPEGImages" / f"{name}.jpg")
        mask = generator.choice(values, (35, 27)).astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / "SegmentationClass" / f"{name}.png")
    return MaskedImages(tmp_path, ("two", "one", "none"), "SegmentationClass")


def naive(vit, images):
    """As https://github.com/facebookresearch/dino/issues/54 tells it, pixel by pixel and without void."""
    means, per_object = [], []
    for name in ("two", "one"):
        image, truth = images.read(name)
        masks = head_masks(vit, image, HALF, image_size=None, mass=0.6).numpy()
        best = []
        for value in sorted({*truth[:32, :24].flatten().tolist()} - {0, 255}):
            jaccards = []
            for mask in masks:
                intersection = union = 0
                for row in range(32):
                    for column in range(24):
                        if truth[row, column] != 255:
                            is_object = truth[row, column] == value
                            intersection += int(is_object and mask[row, column])
                            union += int(is_object or mask[row, column])
                jaccards.append(intersection / union)
            best.append(max(jaccards))
        means.append(sum(best) / len(best))
        per_object += best
    return sum(means) / 2, sum(per_object) / 3


def test_it_is_what_the_authors_describe(vit, images):
    report = measure_attention({"teacher": vit}, images, HALF, CONFIG)
    assert report["num_images"] == 2
    assert report["num_objects"] == 3
    found = report["networks"]["teacher"]
    assert (found["jaccard"], found["jaccard_objects"]) == pytest.approx(naive(vit, images), rel=1e-12)
    assert len(found["heads"]) == 3
    assert max(found["heads"]) <= found["jaccard_objects"]


def test_masks_without_any_object_are_an_error_in_words(vit, images):
    with pytest.raises(ValueError, match=r"no mask in .*SegmentationClass contains an object"):
        measure_attention({"teacher": vit}, images.take(("none",)), HALF, CONFIG)


def test_a_convnet_is_refused_and_told_what_fits(vit):
    convnet = build_backbone(BackboneConfig(name="resnet10t", options={}, drop_path_rate=0.0))
    with pytest.raises(ValueError, match=r"resnet10t has no such attention: use patch_segmentation"):
        vits_of({"teacher": convnet}, "resnet10t")
    assert vits_of({"teacher": vit}, "vit") == {"teacher": vit}


def test_the_picture_shows_each_object_by_its_best_head():
    truth = torch.tensor([[1, 1, 2, 255, 0]], dtype=torch.uint8)
    masks = torch.tensor([[[1, 1, 1, 1, 1]], [[0, 0, 1, 1, 0]]]).bool()
    assert best_mask(masks, truth).tolist() == [[1, 1, 2, 2, 1]]


def test_a_case_worked_by_hand():
    truth = torch.tensor([[1, 1, 0, 255], [2, 0, 0, 255]], dtype=torch.uint8)
    left_half = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0]]).bool()
    everything = torch.ones(2, 4).bool()
    found = head_jaccards(torch.stack([left_half, everything]), truth)
    # object 1: 2 of 4 and 2 of 6 known pixels; object 2: 1 of 4 and 1 of 6
    torch.testing.assert_close(found, torch.tensor([[2 / 4, 2 / 6], [1 / 4, 1 / 6]]).double())


def test_each_is_scikit_learns_jaccard_of_the_pixels_that_are_not_void():
    generator = np.random.default_rng(0)
    truth = generator.choice([0, 3, 7, 255], (9, 11)).astype(np.uint8)
    masks = generator.random((4, 9, 11)) < 0.5
    found = head_jaccards(torch.from_numpy(masks), torch.from_numpy(truth))
    known = truth != 255
    expected = [[jaccard_score(truth[known] == value, mask[known]) for mask in masks] for value in (3, 7)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("value", [0, 255])
def test_background_and_void_are_no_objects(value):
    truth = torch.full((3, 3), value, dtype=torch.uint8)
    assert head_jaccards(torch.ones(2, 3, 3).bool(), truth).shape == (0, 2)


IMAGE = np.random.default_rng(0).integers(0, 256, (21, 35, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
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
