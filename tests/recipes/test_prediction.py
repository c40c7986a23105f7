"""Predicted hours, memory and disk against sums by hand and against a real training state."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.launching.cores import num_cores
from dino_pipeline.recipes.cost import Cost, memory_bytes, training_bytes, training_cost
from dino_pipeline.recipes.prediction import (
    FIXED_SECONDS,
    ImageCounts,
    StageCost,
    clock,
    predict_run,
    table,
)
from dino_pipeline.recipes.reading import recipe_parameters
from dino_pipeline.recipes.speed import RunConfig, Speed

SPEED = Speed(
    decode=0.001,
    views=0.002,
    step=0.03,
    features=0.004,
    probe=0.006,
    knn_pair=1e-9,
    knn_product=1e-10,
    dimensions={"teacher": (10, 20), "pixels": (100, 100)},
)
COST = Cost(
    backbone_parameters=1000, head_parameters=500, flops_per_image=1, state_bytes=30_000, bytes_per_image=7
)
COUNTS = ImageCounts(num_train=1000, num_held_out=200, num_classes=5)


@pytest.fixture
def config() -> RunConfig:
    found = RunConfig.of(recipe_parameters("base"))
    return found._replace(
        ingest=replace(found.ingest, num_workers=1),
        pretrain=replace(found.pretrain, epochs=6, batch_size=32),
        monitoring=replace(found.monitoring, max_images=50, evaluate_every_epochs=2, crop=found.extract.crop),
        launch=replace(found.launch, cpu_processes=2, loader_workers=0),
        extract=replace(found.extract, num_workers=0, cpu_processes=1),
        probe=replace(found.probe, epochs=3, learning_rates=(0.1, 1.0)),
    )


def seconds(stages: list[StageCost]) -> dict[str, float]:
    """Seconds of each stage beyond its fixed ones."""
    return {one.stage: one.hours * 3600 - FIXED_SECONDS[one.stage] for one in stages}


@pytest.mark.skipif(torch.cuda.is_available(), reason="the sums are those of processes on CPU")
def test_hours_are_the_sum_of_each_stage_s_work(config: RunConfig) -> None:
    found = seconds(predict_run(config, COUNTS, SPEED, COST))
    assert found["ingest"] == pytest.approx(1200 * 0.001)
    # 6 epochs of 31 steps of 32 images on 2 processes; 3 evaluations of 2 x 50 images by 2 of the 3 networks
    steps, evaluations = 6 * 31 * 32 * 0.032 / 2, 3 * 100 * (0.001 + 0.004 * 2 / 3) / 2
    assert found["pretrain"] == pytest.approx(steps + evaluations)
    assert found["extract"] == pytest.approx(1200 * 0.006)  # read twice
    assert found["probe"] == pytest.approx(3 * 1000 * 0.008)
    assert found["evaluate"] == pytest.approx(1000 * 200 * (2 * 1e-9 + 110 * 1e-10))
    assert found["report"] == found["register"] == pytest.approx(0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the sums are those of processes on CPU")
def test_readers_beside_a_process_take_time_from_the_same_cores(config: RunConfig) -> None:
    """One loader worker of one process: the slower of both, unless there are too few cores for their work."""
    launch = replace(config.launch, cpu_processes=1, loader_workers=1)
    plain = config._replace(launch=launch, monitoring=replace(config.monitoring, max_images=1))
    found = seconds(predict_run(plain, COUNTS, SPEED, COST))["pretrain"]
    an_image = max(0.03, 0.002, 0.032 / num_cores())
    assert found == pytest.approx(6 * 31 * 32 * an_image, rel=1e-3)


def test_a_budget_ends_the_training_and_without_labels_nothing_is_probed(config: RunConfig) -> None:
    budget = config._replace(pretrain=replace(config.pretrain, max_hours=0.001))
    unlabelled = ImageCounts(1000, 200, num_classes=0)
    found = seconds(predict_run(budget, unlabelled, SPEED, COST))
    assert found["pretrain"] == pytest.approx(3.6)
    assert found["probe"] == found["evaluate"] == pytest.approx(0)


def test_disk_is_that_of_rows_checkpoints_features_and_probes(config: RunConfig) -> None:
    disk = {one.stage: one.disk_bytes for one in predict_run(config, COUNTS, SPEED, COST)}
    assert disk["extract"] == 1200 * (10 + 20 + 100) * 4  # pixels have one kind of features
    assert disk["probe"] == 2 * 5 * (20 + 100) * 4
    assert disk["register"] == 1000 * 4
    # 2 newest checkpoints; the model of teacher and student, where it trains and where it is published
    assert disk["pretrain"] == 2 * (30_000 - 4 * 1500) + 2 * 2 * 4 * 1500
    kept = replace(config.monitoring, keep_checkpoint_every_steps=120)
    assert training_bytes(kept, COST, num_steps=250) == disk["pretrain"] + 2 * (30_000 - 4 * 1500)


def test_a_checkpoint_is_as_large_as_predicted(config: RunConfig) -> None:
    state = TrainingState(config.pretrain, torch.device("cpu"))
    state.optimizer.zero_grad()
    for parameter in state.student.parameters():
        parameter.grad = torch.zeros_like(parameter)
    state.optimizer.step()  # which makes its moments

    def size(value: Any) -> int:
        if isinstance(value, torch.Tensor):
            return value.nbytes
        parts = (
            value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        )
        return sum(map(size, parts))

    cost = training_cost(config.pretrain)
    one = replace(config.monitoring, keep_last_checkpoints=1)
    network = 4 * (cost.backbone_parameters + cost.head_parameters)
    predicted = training_bytes(one, cost, num_steps=1) - 4 * network
    assert predicted == pytest.approx(size(state.state_dict()), rel=0.02)


def test_memory_is_that_of_the_images_of_one_process(config: RunConfig) -> None:
    halved = replace(config.pretrain, accumulation_steps=2)
    whole, half = (memory_bytes(one, config.launch, COST) for one in (config.pretrain, halved))
    processes = torch.cuda.device_count() or 2
    assert whole - half == 7 * (32 // processes - 32 // processes // 2)


def test_the_table_has_prices_only_with_a_price() -> None:
    stages = [StageCost("pretrain", 3.0, 2 * 10**9, 10**9), StageCost("report", 0.001, None, 0)]
    plain = table(stages, on_gpu=True, price_per_hour=None).splitlines()
    assert plain[0].split() == ["stage", "time", "GB", "a", "GPU", "GB", "on", "disk"]
    assert [line.split() for line in plain[1:]] == [
        ["pretrain", "3.0", "h", "2.00", "1.00"],
        ["report", "4", "s", "-", "-"],
        ["all", "3.0", "h", "2.00", "1.00"],
    ]
    priced = table(stages, on_gpu=False, price_per_hour=2.5).splitlines()
    assert "GB a process" in priced[0]
    assert [line.split()[-1] for line in priced] == ["price", "7.50", "0.00", "7.50"]


@pytest.mark.parametrize(
    ("hours", "words"), [(0.03, "108 s"), (0.05, "3.0 min"), (1.9, "114.0 min"), (1200, "1,200.0 h")]
)
def test_times_have_a_unit_of_their_size(hours: float, words: str) -> None:
    assert clock(hours) == words
