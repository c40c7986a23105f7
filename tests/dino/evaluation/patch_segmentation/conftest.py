"""Images whose classes are colours, and a configuration for them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.dino.evaluation.config import KnnConfig
from dino_pipeline.dino.evaluation.linear_probe.config import LinearTrainingConfig
from dino_pipeline.dino.evaluation.patch_segmentation.config import PatchSegmentationConfig

COLORS = {0: (40, 40, 40), 3: (220, 30, 30), 8: (30, 30, 220)}


@pytest.fixture(scope="session")
def voc(tmp_path_factory):
    """12 images of 48x64 px in tiles of 16 px, of which each is one class by its colour; a void line is in each."""
    root = tmp_path_factory.mktemp("voc")
    for kind in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / kind).mkdir(parents=True)
    generator = np.random.default_rng(0)
    names = [f"image_{index:02d}" for index in range(12)]
    for name in names:
        mask = generator.choice(list(COLORS), (3, 4)).astype(np.uint8).repeat(16, axis=0).repeat(16, axis=1)
        palette = np.zeros((256, 3))
        palette[list(COLORS)] = list(COLORS.values())
        pixels = palette[mask] + generator.normal(0, 8, (*mask.shape, 3))
        mask[:, 15] = 255
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
            root / "JPEGImages" / f"{name}.jpg", quality=95
        )
        Image.fromarray(mask).save(root / "SegmentationClass" / f"{name}.png")
    lists = root / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("\n".join(names[:8]))
    (lists / "val.txt").write_text("\n".join(names[8:]))
    return root


@pytest.fixture(scope="session")
def config(voc):
    """What fits `voc`."""
    return PatchSegmentationConfig(
        folder=str(voc),
        labelled_split="train",
        evaluated_split="val",
        num_labelled_images=5,
        validation_fraction=0.3,
        patches_per_image=20,
        image_size=48,
        seed=0,
        knn=KnnConfig(num_neighbors=(1, 5), temperature=0.07),
        linear=LinearTrainingConfig(
            learning_rates=(0.01, 1.0), epochs=40, batch_size=16, momentum=0.9, seed=0
        ),
        num_shown=1,
        num_threads=1,
    )


@pytest.fixture(scope="session")
def same_list(config):
    """Labelled and evaluated images from one list."""
    return replace(config, labelled_split="train", evaluated_split="train")
