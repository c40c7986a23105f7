"""A training is prepared without a trace; its folder is filled with what was prepared, and with nothing else."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.initial_weights import INITIAL
from dino_pipeline.dino.training.pixel_statistics import pixel_statistics
from dino_pipeline.dino.training.preparation import Prepared, fill_folder, prepare, resolved
from tests.dino.conftest import LAUNCH, MONITORING, PRETRAIN
from tests.dino.weights.official_files import official_state


def prepared_from(weights: Path, manifest: Path, training_folder: Path) -> Prepared:
    return prepare(
        read_manifest(manifest, manifest.parent),
        from_dict(PretrainConfig, PRETRAIN | {"initial_weights": str(weights), "precision": "fp32"}),
        from_dict(MonitoringConfig, MONITORING),
        from_dict(LaunchConfig, LAUNCH | {"cpu_processes": 1}),
        recipe="tiny",
        project_folder=manifest.parent,
        training_folder=training_folder,
    )


def write_weights(file: Path, *, seed: int) -> None:
    torch.manual_seed(seed)
    torch.save(official_state("vit_tiny_patch16_224", PRETRAIN["backbone"]["options"]), file)


def test_the_folder_is_filled_when_it_is_asked_for_and_with_the_weights_that_were_prepared(
    tiny_manifest: Path, tmp_path: Path
) -> None:
    weights, trainings = tmp_path / "weights.pth", tmp_path / "trainings"
    write_weights(weights, seed=0)
    prepared = prepared_from(weights, tiny_manifest, trainings)
    assert not trainings.exists()

    weights.unlink()  # read once
    spec = fill_folder(prepared)
    assert prepared.start is None, "the folder holds the weights now, not the memory"
    folder = Path(spec.folder)
    assert {path.name for path in folder.glob("[!.]*")} == {"manifest.parquet", INITIAL}
    images = read_manifest(Path(spec.manifest), Path(spec.image_root))
    assert images.digest() == prepared.images.digest()

    assert fill_folder(prepared) == spec, "what is there is not read again"


def test_weights_that_are_read_again_must_be_those_that_were_prepared(
    tiny_manifest: Path, tmp_path: Path
) -> None:
    weights, trainings = tmp_path / "weights.pth", tmp_path / "trainings"
    write_weights(weights, seed=0)
    prepared = prepared_from(weights, tiny_manifest, trainings)
    prepared.start = None

    write_weights(weights, seed=1)
    with pytest.raises(ValueError, match="initial weights of this training changed after they were checked"):
        fill_folder(prepared)

    write_weights(weights, seed=0)
    assert (Path(fill_folder(prepared).folder) / INITIAL).is_file()


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
        ValidationError, match=r"pretrain.mean has 3 numbers, but pretrain.images.channels is 5"
    ):
        config(5)
    backbone = PRETRAIN["backbone"] | {"options": {"in_chans": 4}}
    with pytest.raises(ValidationError, match=r"in_chans is 4, but pretrain.images.channels is 3"):
        config(3, backbone=backbone)
    with pytest.raises(ValidationError):
        config(3, mean="auto")
