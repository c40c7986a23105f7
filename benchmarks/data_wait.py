"""Say which share of training on 32-px images is waiting for data: python benchmarks/data_wait.py.

Real trainings of the CIFAR-10 recipe's network under torchrun, on windows of photographs, the ways of sharing this
machine's cores in turns. Without loader workers a process crops its own images, and that counts as waiting.
"""

import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from side_by_side import arguments, this_machine, write
from tiles import tiles_of_photographs

from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.history import TIMING, read_rows
from dino_pipeline.dino.training.launch import launch
from dino_pipeline.dino.training.preparation import fill_folder, prepare
from dino_pipeline.recipes.reading import recipe_parameters

FLOOR = 0.05


class Sharing(NamedTuple):
    """How a training divides the cores."""

    processes: int
    workers: int  # a process


WAYS = {
    "2 processes, no workers": Sharing(2, 0),
    "2 processes, a worker each": Sharing(2, 1),
    "1 process, a worker": Sharing(1, 1),
}


def train(manifest: Manifest, way: Sharing, folder: Path, *, epochs: int) -> dict[str, float]:
    """Medians over the rows after the first, in which workers start."""
    precision = "bf16" if multiplies_bfloat16("cpu") else "fp32"
    parameters = recipe_parameters("cifar10", {"pretrain": {"precision": precision}})
    monitoring = from_dict(MonitoringConfig, parameters["monitoring"])
    spec = fill_folder(
        prepare(
            manifest,
            replace(from_dict(PretrainConfig, parameters["pretrain"]), epochs=epochs),
            replace(
                monitoring,
                log_every_steps=2,
                checkpoint_every_steps=10**6,
                evaluate_every_epochs=10**6,
                max_images=16,
            ),
            replace(
                from_dict(LaunchConfig, parameters["launch"]),
                cpu_processes=way.processes,
                loader_workers=way.workers,
            ),
            recipe="data_wait",
            project_folder=folder,
            training_folder=folder,
        )
    )
    launch(spec, on_progress=lambda: None)
    rows = read_rows(Path(spec.folder) / TIMING)[1:-1]  # the last row's steps end with an evaluation
    return {
        name: statistics.median(float(row[name]) for row in rows)
        for name in ("data_wait_share", "images_per_second")
    }


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__).parse_args()
    num_images, epochs = (128, 4) if options.tiny else (512, 4)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        whole = tiles_of_photographs(Path(scratch) / "images", num_images=num_images + 16, side=32)
        splits = pa.array(["train"] * num_images + ["val"] * 16)
        column = whole.table.schema.get_field_index("split")
        manifest = replace(
            whole, table=whole.table.set_column(column, whole.table.schema.field(column), splits)
        )
        for number in range(options.num_rounds):
            for name, way in WAYS.items():
                folder = Path(scratch) / f"{number}-{way.processes}-{way.workers}"
                found[name].append(train(manifest, way, folder, epochs=epochs))
    result: dict[str, Any] = {
        "what": "waiting for data",
        "work": f"{epochs} epochs of {num_images} JPEGs of 32 px, the network and crops of recipe cifar10",
        "floor_of_the_share": FLOOR,
        "medians": {
            name: {key: round(statistics.median(row[key] for row in rows), 4) for key in rows[0]}
            for name, rows in found.items()
        },
        "rounds": found,
        **this_machine(),
    }
    for name, row in result["medians"].items():
        sys.stderr.write(
            f"{name:32}{row['data_wait_share']:8.1%} waiting{row['images_per_second']:10.0f} images/s\n"
        )
    write(result, options)


if __name__ == "__main__":
    main()
