"""The evaluation crop against Pillow and torchvision."""

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from sklearn.datasets import load_sample_image
from torchvision.transforms import v2

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.features.evaluation_transform import evaluation_crop, normalise
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig

RGB = ImagesConfig(channels=3, bits=8)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def config(resize, crop):
    return EvaluationTransformConfig(resize=resize, crop=crop, images=RGB, mean=MEAN, std=STD)


@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (96, 96), (41, 32), (500, 480)])
@pytest.mark.parametrize("portrait", [False, True])
def test_a_photograph_equals_torchvisions_resize_and_center_crop_of_a_pil_image(resize, crop, portrait):
    photograph = load_sample_image("china.jpg")
    if portrait:
        photograph = np.rot90(photograph)
    reference = v2.Compose([v2.Resize(resize, v2.InterpolationMode.BICUBIC), v2.CenterCrop(crop)])
    expected = np.asarray(reference(Image.fromarray(np.ascontiguousarray(photograph)))).astype(int)
    ours = evaluation_crop(photograph, config(resize, crop))
    assert ours.dtype == torch.uint8
    difference = np.abs(ours.permute(1, 2, 0).numpy().astype(int) - expected)
    assert difference.mean() < 0.1
    # rounding between the two passes of the fixed-point filter, at single pixels
    assert difference.max() <= 12


def test_an_image_that_already_fits_is_not_touched():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(evaluation_crop(image, config(32, 32)).permute(1, 2, 0).numpy(), image)


def test_normalised_images_equal_torchvisions():
    images = torch.randint(
        0, 256, (2, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    expected = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])(images)
    torch.testing.assert_close(normalise(images, MEAN, STD), expected)


def test_a_crop_larger_than_the_resized_image_is_refused():
    with pytest.raises(ValidationError, match="crop 224 is larger"):
        from_dict(
            EvaluationTransformConfig,
            {"resize": 200, "crop": 224, "images": RGB, "mean": list(MEAN), "std": list(STD)},
        )
