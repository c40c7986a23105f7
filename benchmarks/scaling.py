"""Measure how costs grow with the work: python benchmarks/scaling.py [--parts ingest knn ...] [--output FILE].

Each part takes one kind of work at growing sizes and says how seconds (or bytes) grow: by how much with each unit of
size, from a straight line, and with which power of it, from a line through logarithms (1 is in proportion, 2 its
square). Parts can run one by one, on different days. docs/scaling.md says what follows for whole trainings.
"""

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from side_by_side import arguments, bare_main, this_machine, timed, write
from tiles import tiles_of_photographs
from torch.nn import functional as F

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.losses.methods.dino import dino_loss
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step
from dino_pipeline.dino.metrics.nearest import Bank
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.ingest import ingest
from dino_pipeline.recipes.reading import recipe_parameters

DIM = 384  # of ViT-S
NUM_QUERIES = 1000


def ingest_seconds(num_images: int) -> float:
    """A first ingest of so many JPEGs of 32 px, by the workers of conf/base."""
    config = replace(from_dict(IngestConfig, recipe_parameters("base")["ingest"]), source="images")
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        tiles_of_photographs(project / "images", num_images=num_images, side=32)
        with bare_main():
            return timed(
                lambda: ingest(
                    config,
                    ImagesConfig(channels=3, bits=8),
                    project_folder=project,
                    raw_folder=project / "raw",
                    cache_folder=project / "cache",
                )
            ).wall


def extraction_seconds(side: int) -> float:
    """Features of 4 square images of so many pixels by ViT-S/16 in float32."""
    backbone = from_dict(PretrainConfig, recipe_parameters("imagenet_vit_small")["pretrain"]).backbone
    network = build_backbone(replace(backbone, options={**backbone.options, "img_size": side})).eval()
    images = torch.randn(4, 3, side, side)
    with torch.inference_mode():
        network(images)
        return timed(lambda: network(images)).wall


def knn_seconds(num_images: int) -> float:
    """The 200 nearest of so many features of 384 dimensions, for 1,000 queries."""
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(num_images, DIM, generator=generator), dim=1)
    queries = F.normalize(torch.randn(NUM_QUERIES, DIM, generator=generator), dim=1)
    bank = Bank(features)
    return timed(lambda: bank.nearest(queries, min(200, num_images))).wall


def loss_seconds(num_prototypes: int) -> float:
    """Loss, forward and backward, of 12 views of 16 images over so many prototypes."""
    scores = torch.randn(12, 16, num_prototypes, requires_grad=True)
    targets = torch.randn(2, 16, num_prototypes).softmax(dim=-1)
    dino_loss(scores, targets, student_temperature=0.1).backward()
    return timed(lambda: dino_loss(scores, targets, student_temperature=0.1).backward()).wall


def memory_bytes(batch_size: int) -> float:
    """The most memory that a process holds over two steps of recipe cifar10's network, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_of_steps, (batch_size,))


def _peak_of_steps(batch_size: int) -> float:
    torch.set_num_threads(1)
    config = from_dict(
        PretrainConfig,
        recipe_parameters("cifar10")["pretrain"] | {"batch_size": batch_size, "precision": "fp32"},
    )
    state = TrainingState(config, torch.device("cpu"))
    for _ in range(2):
        crops = [torch.randn(n, batch_size, 3, side, side) for n, side in ((2, 32), (4, 16))]
        training_step(state, config, *crops, schedule_values(config, state.step, 1000, steps_per_epoch=1000))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


PARTS: dict[str, tuple[Callable[[int], float], Sequence[int], Sequence[int]]] = {
    "ingest": (ingest_seconds, (4_000, 16_000, 64_000), (20, 40)),
    "extraction": (extraction_seconds, (96, 160, 224, 320), (32, 64)),
    "knn": (knn_seconds, (62_500, 250_000, 1_000_000), (1000, 2000)),
    "loss": (loss_seconds, (4096, 16384, 65536), (64, 128)),
    "memory": (memory_bytes, (64, 128, 256, 512), (4, 8)),
}


def growth(sizes: Sequence[int], costs: Sequence[float]) -> dict[str, float]:
    """Least squares: cost a unit of size along a straight line, and the exponent of a power of the size."""
    slope, at_zero = np.polyfit(sizes, costs, 1)
    exponent, _ = np.polyfit(np.log(sizes), np.log(costs), 1)
    return {
        "cost_a_unit": float(slope),
        "cost_at_zero": float(at_zero),
        "exponent": round(float(exponent), 3),
    }


def main() -> None:
    """Measure the parts that were asked for."""
    parser = arguments(__doc__, num_rounds=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    torch.set_num_threads(options.num_threads)
    parts: dict[str, Any] = {}
    for name in options.parts:
        measure, sizes, tiny_sizes = PARTS[name]
        used = tiny_sizes if options.tiny else sizes
        costs = [float(np.median([measure(size) for _ in range(options.num_rounds)])) for size in used]
        parts[name] = {
            "work": measure.__doc__,
            "sizes": list(used),
            "costs": [round(cost, 6) for cost in costs],
            **growth(used, costs),
        }
        sys.stderr.write(f"{name:12}{parts[name]}\n")
        write(
            {"what": "scaling", "parts": parts, "num_rounds": options.num_rounds, **this_machine()}, options
        )


if __name__ == "__main__":
    main()
