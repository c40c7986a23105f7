"""Predict what a whole `kedro run` costs on this machine, stage by stage, from its parameters and measured speeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.launching.cores import num_cores
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.recipes.cost import Cost, memory_bytes, training_bytes, training_cost
from dino_pipeline.recipes.speed import RunConfig, Speed

# Seconds of a stage that do not depend on the images: imports, processes, pictures. Estimates, from runs of the demo on
# two cores of an AMD EPYC.
FIXED_SECONDS = {
    "ingest": 4.0,
    "pretrain": 14.0,
    "extract": 1.0,
    "probe": 0.5,
    "evaluate": 4.0,
    "report": 5.0,
    "register": 5.0,
}
_BYTES_A_ROW = 150  # of the manifest
_FLOAT = 4


class ImageCounts(NamedTuple):
    """The images of a run."""

    num_train: int
    num_held_out: int  # val and test
    num_classes: int  # 0: no labels, so no linear probe and no k-NN accuracy


class StageCost(NamedTuple):
    """The cost of a stage. Memory is that of one GPU, or of one process; None where it is small or unknown."""

    stage: str
    hours: float
    memory_bytes: int | None
    disk_bytes: int


def predict_run(config: RunConfig, images: ImageCounts, speed: Speed, cost: Cost) -> list[StageCost]:
    """The cost of every stage.

    Args:
        cost: of a training step, see `training_cost`.
    """
    extract = config.extract
    processes, cores = num_processes(extract.cpu_processes), num_cores()
    num_images = images.num_train + images.num_held_out
    embedding, linear = (sum(sizes) for sizes in zip(*speed.dimensions.values(), strict=True))
    own_linear = sum(two for one, two in speed.dimensions.values() if one != two)
    is_labelled = images.num_classes > 0
    threads = extract.num_threads or cores

    def passes(compute: float) -> float:
        """Seconds of an image in extract or probe, which read it for the networks and again for the baselines."""
        return _an_image(
            compute,
            2 * speed.decode,
            workers=extract.num_workers,
            processes=processes,
            threads=threads,
            cores=cores,
        )

    comparisons = images.num_train * images.num_held_out if is_labelled else 0
    training = training_bytes(config.monitoring, cost, steps(config.pretrain, images.num_train))
    seconds = {
        "ingest": num_images * speed.decode / min(cores, max(1, config.ingest.num_workers)),
        "pretrain": training_seconds(config, images.num_train, speed),
        "extract": num_images * passes(speed.features),
        "probe": is_labelled * config.probe.epochs * images.num_train * passes(speed.probe),
        "evaluate": comparisons * (len(speed.dimensions) * speed.knn_pair + embedding * speed.knn_product),
    }
    disk = {
        "ingest": num_images * _BYTES_A_ROW,
        "pretrain": training,
        "extract": num_images * (embedding + own_linear) * _FLOAT,
        "probe": linear * len(config.probe.learning_rates) * images.num_classes * _FLOAT,
        "register": cost.backbone_parameters * _FLOAT,
    }
    largest = max(one for one, _ in speed.dimensions.values())
    memory = {
        "pretrain": memory_bytes(config.pretrain, config.launch, cost),
        # A bank in float32, and its copy in bfloat16.
        "evaluate": images.num_train * largest * 6 if is_labelled else None,
    }
    return [
        StageCost(stage, (seconds.get(stage, 0.0) + fixed) / 3600, memory.get(stage), disk.get(stage, 0))
        for stage, fixed in FIXED_SECONDS.items()
    ]


def steps(config: PretrainConfig, num_train: int) -> int:
    """Optimizer steps of the whole training."""
    return config.epochs * (num_train // config.batch_size)


def training_seconds(config: RunConfig, num_train: int, speed: Speed) -> float:
    """Seconds of all steps and online evaluations, within the budget `max_hours`; without `FIXED_SECONDS`."""
    pretrain, launch, monitoring = config.pretrain, config.launch, config.monitoring
    processes = num_processes(launch.cpu_processes)
    an_image = _an_image(
        speed.step,
        speed.views,
        workers=launch.loader_workers,
        processes=processes,
        threads=launch.threads_per_process,
        cores=num_cores(),
    )
    seconds = steps(pretrain, num_train) * pretrain.batch_size * an_image
    # Features of train and val by student and teacher: two of the three networks that extract has, at another size.
    pixels = (monitoring.crop / config.extract.crop) ** 2
    evaluated = 2 * min(monitoring.max_images, num_train) * (speed.decode + speed.features * pixels * 2 / 3)
    seconds += -(-pretrain.epochs // monitoring.evaluate_every_epochs) * evaluated / processes
    return seconds if pretrain.max_hours is None else min(seconds, pretrain.max_hours * 3600)


def _an_image(
    compute: float, reading: float, *, workers: int, processes: int, threads: int, cores: int
) -> float:
    """Seconds of an image where each process computes by some threads, and reads itself or by its workers."""
    if not workers:
        return (compute + reading) / processes
    # The GPU computes beside its readers; on CPU all share the cores.
    busy = reading if torch.cuda.is_available() else reading + compute * threads
    return max(compute / processes, reading / (workers * processes), busy / cores)


def run_cost(config: RunConfig, images: ImageCounts, speed: Speed, *, root: Path = Path()) -> list[StageCost]:
    """`predict_run` for a recipe, with the cost of its training step."""
    return predict_run(config, images, speed, training_cost(config.pretrain, root=root))


def table(stages: Sequence[StageCost], *, on_gpu: bool, price_per_hour: float | None) -> str:
    """One row a stage, and the total. There is no column of prices without a price."""
    head = ["stage", "time", "GB a GPU" if on_gpu else "GB a process", "GB on disk"]
    rows = [[one.stage, clock(one.hours), _gb(one.memory_bytes), _gb(one.disk_bytes)] for one in stages]
    hours = sum(one.hours for one in stages)
    memory = max((one.memory_bytes for one in stages if one.memory_bytes), default=None)
    rows.append(["all", clock(hours), _gb(memory), _gb(sum(one.disk_bytes for one in stages))])
    if price_per_hour is not None:
        head.append("price")
        for row, spent in zip(rows, [*(one.hours for one in stages), hours], strict=True):
            row.append(f"{spent * price_per_hour:,.2f}")
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    )


def clock(hours: float) -> str:
    """Seconds below two minutes, minutes below two hours, else hours."""
    if hours * 3600 < 120:
        return f"{hours * 3600:.0f} s"
    return f"{hours * 60:.1f} min" if hours < 2 else f"{hours:,.1f} h"


def _gb(size: int | None) -> str:
    return "-" if not size else "<0.01" if size < 5e6 else f"{size / 1e9:,.2f}"
