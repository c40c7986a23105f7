"""The picture: one row an image, one panel a head, the same pixels for the same model."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from dino_pipeline.dino.core.data.images_config import ImagesConfig, PixelStatistics
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.config import EvaluateConfig, KnnConfig, PhotographConfig, PictureConfig
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.evaluations.accuracy import picture
from dino_pipeline.ingestion.sources.photographs import HELD_OUT, PHOTOGRAPHS, read_photograph
from dino_pipeline.plotting.panels import whole_panels

CONFIG = EvaluateConfig(
    knn=KnnConfig(num_neighbors=(1,), temperature=0.07),
    linear_head=None,
    picture=PictureConfig(num_images=3, image_size=70),  # 70 is rounded down to whole patches
    photograph=PhotographConfig(image="embedded:cell", size=32),
    num_threads=1,
)
TRANSFORM = EvaluationTransformConfig(
    resize=70, crop=70, images=ImagesConfig(channels=3, bits=8), mean=(0.5,) * 3, std=(0.2,) * 3
)
VIT = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}


@pytest.fixture
def photographs(tmp_path):
    """Five crops of a photograph, without labels."""
    rows = []
    for index in range(5):
        path = tmp_path / f"{index}.png"
        Image.fromarray(load_sample_image("china.jpg")[:200, index * 60 : index * 60 + 100]).save(path)
        rows.append({"path": path.name, "split": "test", "bytes": path.stat().st_size})
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path, np.arange(5))


@pytest.mark.parametrize(
    ("name", "options", "columns"), [("vit_tiny_patch16_224", VIT, 4), ("resnet10t", {}, 2)]
)
def test_a_row_an_image_and_a_column_a_head_or_one_of_colours(photographs, name, options, columns):
    torch.manual_seed(0)
    backbone = build_backbone(BackboneConfig(name=name, options=options, drop_path_rate=0.0)).eval()
    drawn = [picture(backbone, photographs, None, CONFIG, TRANSFORM) for _ in range(2)]
    assert drawn[0].mode == "RGB"
    assert drawn[0].size == (150 * columns, 160 * 3)
    assert drawn[0].tobytes() == drawn[1].tobytes()


def test_a_whole_photograph_has_a_row_above_them(photographs):
    torch.manual_seed(0)
    backbone = build_backbone(
        BackboneConfig(name="vit_tiny_patch16_224", options=VIT, drop_path_rate=0.0)
    ).eval()
    photograph = read_photograph("cell")
    drawn = picture(backbone, photographs, photograph, CONFIG, TRANSFORM)
    assert drawn.size == (150 * 4, 160 * 4)
    (_, image), *heads = whole_panels(
        backbone, photograph, size=32, statistics=PixelStatistics((0.5,) * 3, (0.2,) * 3)
    )
    assert photograph.shape == (660, 550, 3)
    assert image.shape == (40, 32, 3), "its own shape, in whole patches"
    assert [heat.shape for _, heat in heads] == [(40, 32, 3)] * 3


def test_no_tile_of_the_held_out_photograph_is_trained_on():
    assert not HELD_OUT.keys() & PHOTOGRAPHS.keys()
    assert not set(HELD_OUT.values()) & set(PHOTOGRAPHS.values())


def test_an_unknown_photograph_is_an_error_that_lists_them():
    with pytest.raises(ValueError, match=r"no embedded photograph 'dog'; there are astronaut, .*, cell"):
        read_photograph("dog")
