"""The comparisons that ship: every row is a training of every recipe, and ImageNet's cost is known beforehand."""

from pathlib import Path

import pytest

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.experiments.compare.prediction import predict
from dino_pipeline.experiments.compare.rows import OverlayTraining, read_comparison, trainings
from dino_pipeline.workspace.config_loader import shared_parameters
from dino_pipeline.workspace.project_folder import conf_folder

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(path.stem for path in (ROOT / "conf" / "comparisons").glob("*.yml"))
# Rows that the paper has a curve of, or nothing.
UNPUBLISHED = {
    "collapse": {"both", "no centering", "no sharpening"},
    "patch_size": {"patch 16", "patch 8"},
    "queue": {"4096 keys", "1024 keys", "256 keys"},
    "teachers": {"snapshot average", "fixed random"},
}


def shipped(name: str, recipe: str) -> tuple[CompareConfig, list[OverlayTraining]]:
    parameters = shared_parameters(conf_folder(), recipe)
    values = parameters["compare"] | {"file": f"conf/comparisons/{name}.yml", "overlays": {}}
    config = read_comparison(from_dict(CompareConfig, values), ROOT)
    return config, trainings(
        config,
        from_dict(PretrainConfig, parameters["pretrain"]),
        from_dict(MonitoringConfig, parameters["monitoring"]),
        from_dict(LaunchConfig, parameters["launch"]),
    )


@pytest.mark.parametrize("recipe", ["base", "cifar10", "imagenet_vit_small"])
@pytest.mark.parametrize("name", SHIPPED)
def test_each_row_is_another_training_with_three_seeds(name: str, recipe: str) -> None:
    config, made = shipped(name, recipe)
    assert config.seeds == (0, 1, 2)
    assert config.reference in config.overlays
    unpublished = set(config.overlays) - set(config.published)
    assert unpublished <= UNPUBLISHED.get(name, set())
    assert len({str(to_dict(one.pretrain)) for one in made}) == 3 * len(config.overlays)


@pytest.mark.full
def test_the_paper_s_cost_of_multi_crop_is_predicted_on_imagenet() -> None:
    """Table 8: 10 local crops beside 2 global ones take 72.6 hours of 16 GPUs for 300 epochs, 2 alone 45.9."""
    _, made = shipped("components", "imagenet_vit_small")
    one_seed = [one for one in made if one.pretrain.seed == 0]
    cost = {row.row: row for row in predict(one_seed, num_images=1_281_167, root=Path())}
    epochs = made[0].pretrain.epochs
    whole, two_crops = (cost[row].v100_hours or 0 for row in ("DINO", "no multi-crop"))
    assert whole == pytest.approx(72.6 * 16 * epochs / 300, rel=0.05)
    # Two global crops alone are a smaller share of the FLOPs than of the time: they also wait for more decoding.
    assert two_crops < whole
    assert cost["no momentum"].v100_hours == whole
