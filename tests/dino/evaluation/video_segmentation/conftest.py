"""A folder laid out as DAVIS is: two videos of squares that move over a still pattern."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.evaluation.video_segmentation.config import VideoSegmentationConfig

NUM_FRAMES = 5
VALUES = {
    "image_set": "2017/val",
    "resolution": "480p",
    "max_videos": None,
    "networks": ["teacher", "random"],
    "frame_size": 32,
    "side_multiple": 16,
    "num_last_frames": 2,
    "neighborhood_radius": 2,
    "top_k": 3,
    "temperature": 0.1,
    "picture": {"num_videos": 1, "num_frames": 3},
    "num_threads": 1,
}


@pytest.fixture
def davis(tmp_path):
    """Frames of 70 x 40 px; the red square is object 1, the blue one, in the first video only, object 2."""
    root = tmp_path / "davis"
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("two-squares\none-square\n")
    pattern = np.random.default_rng(0).integers(60, 200, (40, 70, 1)).repeat(3, axis=2).astype(np.uint8)
    for name, num_objects in (("two-squares", 2), ("one-square", 1)):
        frames, annotations = (root / kind / "480p" / name for kind in ("JPEGImages", "Annotations"))
        frames.mkdir(parents=True)
        annotations.mkdir(parents=True)
        for index in range(NUM_FRAMES):
            pixels, labels = pattern.copy(), np.zeros((40, 70), np.uint8)
            for number, color in list(enumerate([(255, 0, 0), (0, 0, 255)], start=1))[:num_objects]:
                area = (
                    slice(4 + 16 * (number - 1), 18 + 16 * (number - 1)),
                    slice(8 + 4 * index, 24 + 4 * index),
                )
                pixels[area], labels[area] = color, number
            Image.fromarray(pixels).save(frames / f"{index:05d}.jpg", quality=95)
            image = Image.fromarray(labels).convert("P")
            image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
            image.save(annotations / f"{index:05d}.png")
    return root


@pytest.fixture
def config(davis):
    return from_dict(VideoSegmentationConfig, VALUES | {"folder": str(davis)})


@pytest.fixture
def annotations(davis) -> Path:
    return davis / "Annotations" / "480p"
