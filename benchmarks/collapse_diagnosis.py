"""Does the diagnosis of collapse tell healthy trainings from collapsing ones? python benchmarks/collapse_diagnosis.py

Needs the manifest of base (kedro run --env=base --pipeline=ingest), takes half a minute of one core a run at most, and
writes benchmarks/results/collapse_diagnosis.json: of each run, its rows, and which collapse was diagnosed at which of
them first. Runs that the file holds already are not made again.
"""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from tqdm import tqdm

from dino_pipeline.dino.core.batches import DeviceBatch
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.loop import Training
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.launching.stop import StopRequest
from dino_pipeline.dino.metrics.collapse import diagnose_training
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.history import HISTORY, numbers, read_rows
from dino_pipeline.dino.training.run import pretrain
from dino_pipeline.recipes.reading import recipe_parameters

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "data" / "03_primary" / "base" / "manifest.parquet"
RESULTS = ROOT / "benchmarks" / "results" / "collapse_diagnosis.json"
COLUMNS = (
    "step",
    "epoch",
    "loss",
    "teacher_entropy",
    "kl",
    "teacher_temperature",
    "teacher_momentum",
    "learning_rate",
)

# The demo's tiles in a network that takes a step in a tenth of a second.
SMALL = {
    "epochs": 8,
    "backbone": {"options": {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3}},
    "projection_head": {"num_prototypes": 512, "hidden_dim": 256, "bottleneck_dim": 64},
    "multi_crop": {"global_crop_size": 32, "local_crop_size": 16},
}
NUM_STEPS = 240  # of the 480: four epochs, the last layer free from step 48 on
WATCHED = {
    "log_every_steps": 10,
    "evaluate_every_epochs": 1000,  # k-NN has no part in it
    "checkpoint_every_steps": 10_000,
    "max_images": 400,
    "num_trial_steps": 0,
    "stop_on_collapse": False,  # all rows are wanted
    "resize": 32,
    "crop": 32,
}


def constant(value: float) -> dict[str, float]:
    """A schedule that does nothing."""
    return {"warmup_from": value, "start": value, "end": value, "warmup_fraction": 0.0}


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training by parameters of `pretrain`, and what is to become of it."""

    name: str
    collapses: bool
    overrides: dict[str, Any] = field(default_factory=dict)
    crops_are_mismatched: bool = False


def merged(*layers: dict[str, Any]) -> dict[str, Any]:
    """Nested values, later ones over earlier ones."""
    result: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            old = result.get(name)
            result[name] = merged(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return result


# Batch norm in the head centers too, and delays every fall.
PLAIN_HEAD = {"projection_head": {"batch_norm": False}}
FREE = {"optimizer": {"freeze_last_layer_fraction": 0.0}}
NO_CENTERING = {"loss": {"center_momentum": 1 - 1e-9}}


def temperature(value: float) -> dict[str, Any]:
    return {"schedules": {"teacher_temperature": constant(value)}}


def learning_rate(start: float) -> dict[str, Any]:
    return {"schedules": {"learning_rate": {"start": start}}}


def momentum(value: float) -> dict[str, Any]:
    return {"schedules": {"teacher_momentum": constant(value)}}


HEALTHY = [
    *(
        Run(name=f"the demo's values, seed {seed}", collapses=False, overrides={"seed": seed})
        for seed in range(4)
    ),
    Run(name="no batch norm in the head", collapses=False, overrides=PLAIN_HEAD),
    Run(name="last layer never frozen", collapses=False, overrides=FREE),
    Run(name="teacher temperature 0.07", collapses=False, overrides=temperature(0.07)),
    Run(name="teacher momentum 0.996", collapses=False, overrides=momentum(0.996)),
    Run(name="center momentum 0.99", collapses=False, overrides={"loss": {"center_momentum": 0.99}}),
    Run(name="4,096 prototypes", collapses=False, overrides={"projection_head": {"num_prototypes": 4096}}),
    Run(
        name="no batch norm in the head, a quarter of the learning rate",
        collapses=False,
        overrides=merged(PLAIN_HEAD, learning_rate(1e-3)),
    ),
    Run(
        name="no batch norm in the head, temperature 0.07, momentum 0.996",
        collapses=False,
        overrides=merged(PLAIN_HEAD, temperature(0.07), momentum(0.996)),
    ),
    Run(name="half the learning rate", collapses=False, overrides=learning_rate(2e-3)),
]
ONE_DIMENSION = merged(NO_CENTERING, PLAIN_HEAD, FREE, temperature(0.02), momentum(0.9))
COLLAPSING = [
    *(
        Run(name=f"{name}, seed {seed}", collapses=True, overrides=merged(overrides, {"seed": seed}))
        for seed in range(3)
        for name, overrides in (
            ("temperature 0.3", temperature(0.3)),
            ("no centering", ONE_DIMENSION),
            ("no momentum", merged(momentum(0.0), PLAIN_HEAD, FREE)),
        )
    ),
    *(
        Run(
            name=f"crops of different images, seed {seed}",
            collapses=True,
            overrides={"seed": seed},
            crops_are_mismatched=True,
        )
        for seed in range(3)
    ),
]


@contextmanager
def mismatched_crops() -> Iterator[None]:
    """Every crop of a batch's image comes from another image, as after a wrong reshape."""
    whole = Training.batches

    def batches(training: Training, first_step: int, end_step: int) -> Iterator[DeviceBatch]:
        for batch in whole(training, first_step, end_step):
            yield batch._replace(
                global_crops=torch.stack([c.roll(i, 0) for i, c in enumerate(batch.global_crops)]),
                local_crops=torch.stack([c.roll(2 + i, 0) for i, c in enumerate(batch.local_crops)]),
            )

    with patch.object(Training, "batches", batches):
        yield


class StopAfter(StopRequest):
    """A request to stop that comes with a step."""

    def __init__(self, steps: int) -> None:
        super().__init__(grace_seconds=1)
        self.left = steps

    def agreed(self) -> bool:
        self.left -= 1
        return self.left == 0


def train(run: Run) -> dict[str, Any]:
    """The history of a short training on one core, and its end."""
    parameters = recipe_parameters("base", {"pretrain": merged(SMALL, run.overrides)})
    config = from_dict(PretrainConfig, parameters["pretrain"])
    images = read_manifest(MANIFEST, ROOT)
    with tempfile.TemporaryDirectory() as folder:
        spec = TrainingSpec(
            fingerprint=fingerprint(config, images),
            recipe="base",
            manifest=str(MANIFEST),
            image_root=str(ROOT),
            folder=folder,
            pretrain=config,
            monitoring=from_dict(MonitoringConfig, parameters["monitoring"] | WATCHED),
            launch=from_dict(LaunchConfig, parameters["launch"]),
        )
        with mismatched_crops() if run.crops_are_mismatched else nullcontext():
            pretrain(spec, torch.device("cpu"), StopAfter(NUM_STEPS))
        rows = [numbers(row) for row in read_rows(Path(folder) / HISTORY)]
    return {
        "collapses": run.collapses,
        "overrides": run.overrides,
        "crops_are_mismatched": run.crops_are_mismatched,
        "num_prototypes": config.projection_head.num_prototypes,
        "diagnosed": first_diagnosis(rows, config),
        "rows": [{name: round(row[name], 6) for name in COLUMNS} for row in rows],
    }


def first_diagnosis(rows: list[dict[str, float]], config: PretrainConfig) -> dict[str, Any] | None:
    """At which step, in which words; None where there is none."""
    for index, row in enumerate(rows):
        collapse = diagnose_training(rows[: index + 1], config)
        if collapse:
            return {"step": row["step"], "says": str(collapse)}
    return None


def main() -> None:
    """Make the runs that are not there yet, healthy and collapsing in turn."""
    logging.basicConfig(level=logging.ERROR, format="%(message)s")  # that these collapse is no news
    torch.set_num_threads(1)
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    in_turn = [run for pair in zip_longest(COLLAPSING, HEALTHY) for run in pair if run]
    for run in tqdm([run for run in in_turn if run.name not in results], unit="run"):
        results[run.name] = train(run)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
