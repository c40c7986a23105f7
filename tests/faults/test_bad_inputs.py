"""Wrong inputs end before training, each in one line with the key, its value and what to do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from kedro.io import DatasetError
from PIL import Image

from dino_pipeline.__main__ import main
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.core.distributed import own_device
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.label_spreading.given import draw_labels
from dino_pipeline.dino.evaluation.labels import missing_labels
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.preparation import fill_folder, prepare
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.ingest import ingest
from dino_pipeline.pipeline_registry import register_pipelines
from dino_pipeline.project.datasets import FolderDataset
from dino_pipeline.workspace.config_loader import MERGE_STRATEGY, LayeredConfigLoader
from dino_pipeline.workspace.overlays import overlaid
from dino_pipeline.workspace.parameter_errors import parameter_errors

CONF = Path(__file__).parents[2] / "conf"
PIPELINES = register_pipelines()

# What no class of parameters takes: the key, the value, words of the remedy.
TYPED: list[tuple[str, Any, str]] = [
    ("pretrain.epoch", 3, "no such parameter: did you mean epochs?"),
    ("pretrain.backbone.nmae", "resnet50", "did you mean name?"),
    ("pretrain.qqq", 1, "remove it; there are seed"),
    ("ingest.photographs.tile", 3, "did you mean tile_size?"),
    ("monitoring.log_every", 5, "did you mean log_every_steps?"),
    ("pretrain", "fast", "a group of parameters"),
    ("ingest", None, "a group of parameters"),
    ("pretrain.backbone", "vit_small", "a group of parameters"),
    ("pretrain.epochs", "ten", "valid integer"),
    ("pretrain.epochs", 0, "greater than or equal to 1"),
    ("pretrain.epochs", 2.5, "valid integer"),
    ("pretrain.seed", -1, "greater than or equal to 0"),
    ("pretrain.max_hours", 0, "greater than 0"),
    ("pretrain.batch_size", 0, "greater than or equal to 1"),
    ("pretrain.accumulation_steps", 0, "greater than or equal to 1"),
    ("pretrain.precision", "half", "'fp64', 'fp32', 'bf16' or 'fp16'"),
    ("pretrain.new_head", "perhaps", "valid boolean"),
    ("pretrain.images.channels", 0, "greater than or equal to 1"),
    ("pretrain.images.bits", 12, "8 or 16"),
    ("pretrain.mean", "known", "list, or input should be 'measured'"),
    ("pretrain.std[1]", [0.2, 0.0, 0.2], "greater than 0"),
    ("pretrain.backbone.drop_path_rate", 1.0, "less than 1"),
    ("pretrain.backbone.options.depth", [4], "valid integer"),
    ("pretrain.projection_head.num_prototypes", 0, "greater than or equal to 2"),  # K
    ("pretrain.projection_head.num_layers", 0, "greater than or equal to 1"),
    ("pretrain.projection_head.bottleneck_dim", -8, "greater than or equal to 1"),
    ("pretrain.teacher.name", "ema", "'momentum', 'snapshot_average'"),
    ("pretrain.teacher.num_snapshots", 0, "greater than or equal to 1"),
    ("pretrain.multi_crop.num_local_crops", -1, "greater than or equal to 0"),
    ("pretrain.multi_crop.local_crop_size", 2, "greater than or equal to 4"),
    ("pretrain.multi_crop.global_crop_scale", [1, 0.4], "smaller first"),
    ("pretrain.multi_crop.local_crop_scale[0]", [0.0, 0.4], "greater than 0"),
    ("pretrain.multi_crop.global_1.flip_probability", 1.5, "less than or equal to 1"),
    ("pretrain.multi_crop.global_2.hue", 0.6, "less than or equal to 0.5"),
    ("pretrain.multi_crop.local.blur_radius", [2, 0.1], "smaller first"),
    ("pretrain.loss.student_temperature", 0.0, "greater than 0"),
    ("pretrain.loss.center_momentum", 1.0, "less than 1"),
    ("pretrain.schedules.learning_rate.warmup_fraction", 1.5, "less than 1"),  # a warm-up longer than the run
    ("pretrain.schedules.learning_rate.start", -0.1, "greater than or equal to 0"),
    ("pretrain.schedules.weight_decay.end", float("nan"), "finite number"),
    ("pretrain.schedules.teacher_momentum.end", 1.5, "at most 1"),
    ("pretrain.schedules.teacher_temperature.start", 0, "give more"),
    ("pretrain.optimizer.name", "adam", "'adamw', 'sgd' or 'lars'"),
    ("pretrain.optimizer.betas[1]", [0.9, 1.0], "less than 1"),
    ("pretrain.optimizer.clip_gradient_norm", float("inf"), "finite number"),
    ("pretrain.optimizer.freeze_last_layer_fraction", 2, "less than or equal to 1"),
    ("monitoring.crop", 64, "set it to 48 or less"),
    ("monitoring.temperature", 0, "greater than 0"),
    ("launch.cpu_processes", 0, "greater than 0"),
    ("launch.loader_workers", -1, "greater than or equal to 0"),
    ("launch.grace_seconds", "a while", "valid number"),
    ("ingest.source", 3, "valid string, or input should be a list"),
    ("ingest.validation_fraction", 1.0, "less than 1"),
    ("ingest.drop_duplicates", True, "'none', 'across_splits' or 'all'"),
    ("ingest.max_train_images", 0, "greater than 0"),
    ("ingest.photographs.test_share", 0.5, "less than 0.5"),
    ("extract.crop", 64, "set it to 48 or less"),
    ("extract.baselines.histogram_bins", 300, "less than or equal to 256"),
    ("evaluate.linear_head", "nowhere.pth", "no such file"),
    ("evaluate.knn.num_neighbors", [], "at least 1 item"),
    ("model.timm_file", "nowhere.safetensors", "no such file"),
    ("probe.learning_rates", [], "at least 1 item"),
    ("probe.batch_size", "all", "valid integer"),
    ("register.name_prefix", "a/b", "match pattern"),
    ("register.alias", "my champion", "a name begins with a letter"),
    ("register.alias", "v3", "v1, v2 mean versions"),
    ("tune.tuned_recipe", "../evil", "a name begins with a letter"),
    ("tune.tuned_recipe", "local", "conf/local has a meaning of its own"),
    ("compare.name", "..", "match pattern"),
    ("report.num_neighbors", 0, "greater than 0"),
    ("low_shot.fractions[0]", [0.0], "greater than 0"),
]

FROZEN = {
    "pretrain.teacher.name": "frozen",
    "pretrain.teacher.batch_statistics": False,
    "pretrain.teacher.backbone": {"name": "resnet18", "options": {}, "drop_path_rate": 0.0},
    "pretrain.teacher.weights": "nowhere.pth",
}
PEER = {"pretrain.teacher.name": "peer"}

# What only shows when parameters meet one another, the images and the machine.
TOGETHER: list[tuple[dict[str, Any], str, str, str]] = [
    ({"pretrain.batch_size": 64}, "pretrain.batch_size", "64", "set it to 8 or less"),
    ({"pretrain.batch_size": 5}, "pretrain.batch_size", "5", "a multiple of 2"),
    ({"pretrain.accumulation_steps": 3}, "pretrain.accumulation_steps", "3", "a divisor of 4"),
    ({"pretrain.batch_size": 1, "launch.cpu_processes": 1}, "pretrain.batch_size", "1", "to 2 or more"),
    ({"pretrain.backbone.name": "vit_tinny"}, "backbone.name", "'vit_tinny'", "similar names: "),
    ({"pretrain.backbone.options.width": 3}, "backbone.options", "'width': 3", "or remove"),
    ({"pretrain.backbone.options.num_heads": 5}, "backbone.options", "'num_heads': 5", "change or remove"),
    ({"pretrain.backbone.options.in_chans": 4}, "backbone.options.in_chans", "4", "remove the option"),
    (
        {"pretrain.projection_head.num_prototypes": None, "pretrain.projection_head.bottleneck_dim": None},
        "pretrain.projection_head.num_prototypes",
        "null",
        "set one of them to the number of logits",
    ),
    ({"pretrain.mean": [0.5]}, "pretrain.mean", "1 numbers", "give 3 numbers, or `measured`"),
    ({"pretrain.multi_crop.global_crop_size": 50}, "global_crop_size", "50", "set it to 48"),
    ({"pretrain.multi_crop.local_crop_size": 8}, "local_crop_size", "8", "set it to 16"),  # patch above crop
    ({"monitoring.crop": 40}, "monitoring.crop", "40", "set it to 32"),
    ({"pretrain.precision": "fp16", "launch.shard_weights": True}, "launch.shard_weights", "true", "bf16"),
    ({"pretrain.initial_weights": "nowhere.pth"}, "pretrain.initial_weights", "nowhere.pth", "give a file"),
    ({"pretrain.teacher.weights": "x.pth"}, "pretrain.teacher.weights", "x.pth", "name to frozen"),
    (FROZEN | {"pretrain.teacher.backbone": None}, "pretrain.teacher.backbone", "null", "options"),
    (FROZEN | {"pretrain.teacher.batch_statistics": True}, "batch_statistics", "true", "to false"),
    (
        FROZEN | {"pretrain.teacher.weights": None},
        "pretrain.teacher.weights",
        "null",
        "give the teacher's file",
    ),
    (FROZEN, "pretrain.teacher.weights", "nowhere.pth", "give a file"),
    ({"pretrain.loss.name": "distillation"}, "teacher.name", "momentum", "to frozen"),
    (FROZEN | {"pretrain.loss.name": "distillation"}, "num_local_crops", "2", "to 0"),
    (PEER | {"pretrain.teacher.batch_statistics": False}, "batch_statistics", "false", "to true"),
    (PEER | {"pretrain.predictor.num_layers": 2}, "pretrain.predictor.num_layers", "2", "to 0"),
    (PEER | {"pretrain.initial_weights": "x.pth"}, "pretrain.initial_weights", "x.pth", "to null"),
    (PEER | {"pretrain.loss.name": "supervised"}, "pretrain.loss.name", "supervised", "teacher.name to none"),
    ({"launch.adopt_progress": "0123"}, "launch.adopt_progress", "'0123'", "existing: none"),
]

INGESTED: list[tuple[dict[str, Any], str, str, str]] = [
    ({"source": None}, "ingest.source", "not set", "give your images"),
    ({"source": "nowhere"}, "ingest.source", "nowhere", "give a folder"),
    ({"source": "embedded:cats"}, "ingest.source", "'cats'", "only photographs and digits"),
    ({"source": "torchvision:Imagenot"}, "ingest.source", "Imagenot", "only"),
    ({"source": "notes.doc"}, "ingest.source", "notes.doc", "give the folder, or unpack it"),
    ({"source": "empty"}, "ingest.source", "empty", "Put images there"),
    ({"source": "photos", "minimum_size": 500}, "ingest.minimum_size", "photos", "right folder"),
    ({"source": "list.csv"}, "ingest.validation_fraction", "1 distinct images", "add images"),
    ({"source": "groups.csv"}, "the group 'p1'", "in train and in val", "correct the split or the group"),
    ({"source": "photos", "exclude": "gone.csv"}, "ingest.exclude", "gone.csv", "null excludes nothing"),
    ({"source": "list.csv", "copy_images": True}, "ingest.copy_images", "list.csv", "set it to false"),
    ({"source": "unnamed.csv"}, "column of paths", "'text'", "set ingest.columns.path"),
]


@pytest.fixture(scope="module")
def parameters() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for file in sorted((CONF / "base").glob("parameters_*.yml")):
        values |= yaml.safe_load(file.read_text())
    return values


def assert_in_one_line(text: str, *words: str) -> None:
    assert "\n" not in text
    for word in words:
        assert word in text


@pytest.mark.parametrize(("key", "value", "remedy"), TYPED, ids=[f"{k}={v}" for k, v, _ in TYPED])
def test_a_value_that_cannot_be(parameters: dict[str, Any], key: str, value: Any, remedy: str) -> None:
    name, _, position = key.partition("[")
    lines = parameter_errors(overlaid(parameters, {name: value}), PIPELINES)
    assert len(lines) == 1
    wrong = value[int(position[:-1])] if position else value
    shown = "null" if wrong is None else repr(wrong)
    assert_in_one_line(lines[0], key, shown, remedy)


def test_a_missing_value_is_named(parameters: dict[str, Any]) -> None:
    ingest_values = {key: value for key, value in parameters["ingest"].items() if key != "seed"}
    (line,) = parameter_errors(parameters | {"ingest": ingest_values}, PIPELINES)
    assert_in_one_line(line, "ingest.seed is missing", "set it in the recipe")


def test_the_values_in_force_are_right(parameters: dict[str, Any]) -> None:
    assert parameter_errors(parameters, PIPELINES) == []


def images(num_train: int, root: Path) -> Manifest:
    rows = [
        {"path": f"{i}.png", "split": "train", "bytes": 1, "sha256": f"{i:064}"} for i in range(num_train)
    ]
    return Manifest.from_pandas(pd.DataFrame(rows, columns=SCHEMA.names), root)


def prepared(parameters: dict[str, Any], changes: dict[str, Any], folder: Path, num_train: int) -> None:
    values = overlaid(parameters, {"pretrain.batch_size": 8} | changes)
    fill_folder(
        prepare(
            images(num_train, folder),
            from_dict(PretrainConfig, values["pretrain"]),
            from_dict(MonitoringConfig, values["monitoring"]),
            from_dict(LaunchConfig, values["launch"]),
            recipe="tiny",
            project_folder=folder,
            training_folder=folder / "trainings",
        )
    )


@pytest.mark.parametrize(
    ("changes", "key", "value", "remedy"), TOGETHER, ids=[str(row[0]) for row in TOGETHER]
)
def test_values_that_do_not_fit(
    parameters: dict[str, Any], tmp_path: Path, changes: dict[str, Any], key: str, value: str, remedy: str
) -> None:
    lines = parameter_errors(overlaid(parameters, changes), PIPELINES)
    if not lines:
        with pytest.raises(ValueError, match=r".") as error:
            prepared(parameters, changes, tmp_path, num_train=8)
        lines = [str(error.value)]
    assert_in_one_line(lines[0], key, value, remedy)
    assert not list(tmp_path.rglob("spec.json"))


def test_a_split_of_one_image_trains_nothing(parameters: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ingest\.source gives 1 training image\(s\).*give two or more"):
        prepared(parameters, {}, tmp_path, num_train=1)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a folder of three photographs, an empty one, and files that are none."""
    project = tmp_path_factory.mktemp("project")
    (project / "photos").mkdir()
    (project / "empty").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(project / "photos" / f"{number}.png")
    (project / "notes.doc").write_text("no image")
    (project / "list.csv").write_text("path\nphotos/0.png\n")
    (project / "groups.csv").write_text("path,split,group\nphotos/0.png,train,p1\nphotos/1.png,val,p1\n")
    (project / "unnamed.csv").write_text("text\nhello\n")
    return project


@pytest.mark.parametrize(
    ("changes", "key", "value", "remedy"), INGESTED, ids=[str(row[0]) for row in INGESTED]
)
def test_images_that_are_not_there(
    parameters: dict[str, Any], sources: Path, changes: dict[str, Any], key: str, value: str, remedy: str
) -> None:
    config = replace(from_dict(IngestConfig, parameters["ingest"]), num_workers=0, **changes)
    wanted = from_dict(PretrainConfig, parameters["pretrain"]).images
    with pytest.raises(ValueError, match=r".") as error:
        ingest(
            config,
            wanted,
            project_folder=sources,
            raw_folder=sources / "data" / "01_raw",
            cache_folder=sources / "data" / "02_intermediate",
        )
    assert_in_one_line(str(error.value), key, value, remedy)


def features(train_labels: list[str | None]) -> Features:
    labels = np.array([*train_labels, "a"], dtype=object)
    splits = np.array(["train"] * len(train_labels) + ["val"])
    return Features(
        row_ids=np.arange(len(labels)),
        splits=splits,
        labels=labels,
        embedding=np.eye(len(labels), dtype=np.float32),
        linear=None,
    )


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (["a", None, "b"], "1 of the 3 images of train have no label"),
        (["a", "a"], "all images of train are of one class, a"),
    ],
)
def test_measures_that_need_labels_are_left_out_with_the_reason(
    labels: list[str | None], reason: str
) -> None:
    assert_in_one_line(missing_labels(features(labels))["train"], reason)


@pytest.mark.parametrize(("label", "reason"), [(None, "train has no labels"), ("cat", "are 'cat'")])
def test_labels_that_cannot_be_spread(tmp_path: Path, label: str | None, reason: str) -> None:
    row = {"path": "0.png", "split": "train", "label": label, "bytes": 1, "sha256": "0" * 64}
    manifest = Manifest.from_pandas(pd.DataFrame([row], columns=SCHEMA.names), tmp_path)
    with pytest.raises(ValueError, match=r".") as error:
        draw_labels(manifest, 0.5, seed=0)
    assert_in_one_line(str(error.value), "label_spreading.labels is null", reason, "a CSV with the columns")


def test_the_worker_s_specification_refuses_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--recipe=smoke", "--manifest=none.parquet", "--folder=none", "--set=pretrain.epochs=ten"]
    assert main(["spec", *arguments]) == 1
    assert_in_one_line(capsys.readouterr().err.rstrip("\n"), "pretrain.epochs is 'ten'", "valid integer")


def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(
        ValueError, match=r"--nproc-per-node starts process 2 .*has 2 visible GPUs: set it to 2"
    ):
        own_device()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder would be")
    with pytest.raises(DatasetError) as error:
        FolderDataset(filepath=str(tmp_path / "data" / "06_models")).load()
    assert_in_one_line(str(error.value), "data/06_models", "cannot be created", "conf/local/catalog.yml")


def test_a_group_that_no_node_reads() -> None:
    loader = LayeredConfigLoader(
        CONF,
        "smoke",
        runtime_params={"pretrian": {"epochs": 3}},
        base_env="base",
        default_run_env="local",
        merge_strategy=MERGE_STRATEGY,
    )
    with pytest.raises(ValueError, match=r"pretrian is \{'epochs': 3\}.*did you mean pretrain\?"):
        loader["parameters"]
