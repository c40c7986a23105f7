"""A training is prepared without a trace; its folder is filled with what was prepared, and with nothing else."""

from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.initial_weights import INITIAL
from dino_pipeline.dino.training.preparation import Prepared, fill_folder, prepare
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

    write_weights(weights, seed=1)
    with pytest.raises(ValueError, match="weights that this training starts from have just changed"):
        fill_folder(prepared)

    write_weights(weights, seed=0)
    spec = fill_folder(prepared)
    folder = Path(spec.folder)
    assert {path.name for path in folder.iterdir()} == {"manifest.parquet", INITIAL}
    images = read_manifest(Path(spec.manifest), Path(spec.image_root))
    assert images.digest() == prepared.images.digest()

    weights.unlink()
    assert fill_folder(prepared) == spec, "what is there is not read again"
