"""What a training is when nothing is left to be found."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.pixel_statistics import pixel_statistics
from dino_pipeline.dino.training.resolve_config import resolved
from tests.dino.conftest import PRETRAIN


def config(channels: int, **changes: object) -> PretrainConfig:
    return from_dict(PretrainConfig, PRETRAIN | {"images": {"channels": channels, "bits": 8}} | changes)


def test_rgb_with_given_numbers_is_what_it_was(tiny_manifest: Path) -> None:
    train = read_manifest(tiny_manifest, tiny_manifest.parent).split("train")
    assert resolved(config(3), train) == config(3)


def test_measured_numbers_are_written_out_and_only_where_asked(tiny_manifest: Path) -> None:
    train = read_manifest(tiny_manifest, tiny_manifest.parent).split("train")
    asked = config(1, mean="measured", std=[0.3])
    found = resolved(asked, train)
    assert found.mean == pixel_statistics(train, asked.images, seed=asked.seed).mean
    assert found.std == (0.3,)
    assert found.backbone.options["in_chans"] == 1
    assert build_backbone(found.backbone).model.patch_embed.proj.in_channels == 1
    assert resolved(found, train) == found
    with pytest.raises(ValueError, match="not measured yet"):
        _ = asked.statistics


def test_channels_that_do_not_fit_one_another_are_refused() -> None:
    with pytest.raises(
        ValidationError, match=r"pretrain.mean has 3 numbers, and pretrain.images.channels is 5"
    ):
        config(5)
    backbone = PRETRAIN["backbone"] | {"options": {"in_chans": 4}}
    with pytest.raises(ValidationError, match=r"in_chans is 4, and pretrain.images.channels is 3"):
        config(3, backbone=backbone)
    with pytest.raises(ValidationError):
        config(3, mean="auto")
