"""Start a training on millions of images: python benchmarks/many_rows.py --rows 10000000 [--output FILE].

From the manifest that ingest wrote to the first step of a training with two processes and two loader workers each, as
`kedro run` starts it: seconds of each part, and the memory of all processes together at its largest, in which pages
that several processes share count once (proportional set size). Every row is an image of its own, with its own bytes
and its true hash: tiny PNGs in one uncompressed archive, told apart by a number behind their end. Not counted: this
process, which watches, and pages of files that no process has mapped.
"""

import hashlib
import multiprocessing
import pickle
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
from kedro_datasets.pandas import ParquetDataset
from side_by_side import arguments, this_machine, timed, write

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest, read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.history import HISTORY
from dino_pipeline.dino.training.launch import launch
from dino_pipeline.dino.training.preparation import fill_folder, prepare
from dino_pipeline.recipes.reading import recipe_parameters

GOAL = {"rows": 10_000_000, "seconds": 60, "gigabytes": 6}
NUM_CLASSES, NUM_VAL, SIDE, DIGITS = 1000, 1000, 8, 10
_KINDS = {"launching.agent": "torchrun", "training.worker": "workers", "spawn_main": "the launching process"}
_CHUNK = 1_000_000  # rows that are written at a time
_EVERY = 0.25  # seconds between two looks at memory


def write_images(archive: Path, num_rows: int) -> pa.Table:
    """Write the images, and return their manifest's rows: train, then val."""
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    png = cv2.imencode(".png", image)[1].tobytes()
    size = len(png) + DIGITS
    classes = [f"n{number:08d}" for number in range(NUM_CLASSES)]
    hashes, members = [], []
    with archive.open("wb") as file:
        for first in range(0, num_rows, _CHUNK):
            numbers = range(first, min(first + _CHUNK, num_rows))
            images = [png + b"%010d" % number for number in numbers]
            file.write(b"".join(images))
            hashes.append(pa.array([hashlib.sha256(data).hexdigest() for data in images]))
            members.append(pa.array([f"{classes[n % NUM_CLASSES]}/{n:012d}.png" for n in numbers]))
    positions = np.arange(num_rows)
    num_val = min(NUM_VAL, num_rows // 10)
    columns = {
        "path": pa.repeat(pa.scalar(archive.name), num_rows),
        "member": pa.chunked_array(members),
        "offset": pa.array(positions * size),
        "split": pa.concat_arrays([pa.repeat("train", num_rows - num_val), pa.repeat("val", num_val)]),
        "label": pa.array(classes).take(pa.array(positions % NUM_CLASSES)),
        "width": pa.repeat(pa.scalar(SIDE, pa.int32()), num_rows),
        "height": pa.repeat(pa.scalar(SIDE, pa.int32()), num_rows),
        "bytes": pa.repeat(pa.scalar(size, pa.int64()), num_rows),
        "sha256": pa.chunked_array(hashes),
        "group": pa.nulls(num_rows, pa.string()),
    }
    return pa.table(columns, schema=SCHEMA)


def train(project: Path, file: Path, parts: "Queue[tuple[str, float]]") -> None:
    """What the node `pretrain` does, from the catalog's file on; it says what it does when it begins to."""

    def now(part: str) -> None:
        parts.put((part, time.monotonic()))

    now("read the manifest, as Kedro does")
    images = Manifest.from_pandas(ParquetDataset(filepath=str(file)).load(), project)
    now("check, and make the fingerprint")
    values = recipe_parameters("smoke")
    pretrain = from_dict(PretrainConfig, values["pretrain"])
    shape = replace(pretrain.multi_crop, global_crop_size=32, local_crop_size=16)
    prepared = prepare(
        images,
        replace(pretrain, batch_size=16, epochs=1, multi_crop=shape, mean=(0.5,) * 3, std=(0.25,) * 3),
        replace(
            from_dict(MonitoringConfig, values["monitoring"]),
            log_every_steps=1,
            num_trial_steps=0,
            crop=32,
            resize=32,
        ),
        replace(from_dict(LaunchConfig, values["launch"]), cpu_processes=2, loader_workers=2),
        recipe="many_rows",
        project_folder=project,
        training_folder=project / "training",
    )
    now("write what the training reads")
    spec = fill_folder(prepared)
    now("start, up to the end of the first step")
    launch(spec, on_progress=lambda: None)


def alone_seconds(file: Path, project: Path) -> dict[str, float]:
    """What each part of it takes alone, in this process."""
    started = time.perf_counter()
    train = read_manifest(file, project).split("train")
    seconds = {"read": time.perf_counter() - started}
    seconds["digest"] = timed(lambda: train.training_digest(with_labels=False)).wall
    seconds["hand to a worker by pickling"] = timed(lambda: pickle.loads(pickle.dumps(train))).wall
    return {name: round(value, 2) for name, value in seconds.items()}


def megabytes(parent: psutil.Process) -> dict[str, int]:
    """Proportional set size of a process and of all that it started, by what they are."""
    sizes: dict[str, int] = {}
    for process in [parent, *parent.children(recursive=True)]:
        try:
            command = " ".join(process.cmdline())
            inside = process.parent()
            size = process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        kind = next((kind for word, kind in _KINDS.items() if word in command), "others")
        if kind == "workers" and inside and "training.worker" in " ".join(inside.cmdline()[:6]):
            kind = "loader workers"
        sizes[kind] = sizes.get(kind, 0) + round(size / 1e6)
    return sizes


def first_step(project: Path, file: Path) -> dict[str, Any]:
    """Start the training, wait for its first step, and stop it."""
    context = multiprocessing.get_context("spawn")
    parts: Queue[tuple[str, float]] = context.Queue()
    child = context.Process(target=train, args=(project, file, parts))
    child.start()
    parent = psutil.Process(child.pid)
    begun: list[tuple[str, float]] = []
    largest: dict[str, dict[str, int]] = {}
    history = None
    while history is None:
        time.sleep(_EVERY)
        while not parts.empty():
            begun.append(parts.get())
        if begun:
            part, now = begun[-1][0], megabytes(parent)
            largest[part] = max(now, largest.get(part, {}), key=lambda sizes: sum(sizes.values()))
        history = next(
            (h for h in project.glob(f"training/**/{HISTORY}") if h.read_text().count("\n") > 1), None
        )
        if not child.is_alive():
            raise RuntimeError("the training ended before its first step: see its log above")
    ended = time.monotonic()
    parent.terminate()
    child.join()
    starts = [*(when for _, when in begun), ended]
    return {
        "seconds": {
            part: round(after - before, 2) for (part, before), after in zip(begun, starts[1:], strict=True)
        }
        | {"all": round(ended - starts[0], 2)},
        "megabytes": {part: sizes | {"all": sum(sizes.values())} for part, sizes in largest.items()},
    }


def main() -> None:
    """Measure and report."""
    parser = arguments(__doc__, num_rounds=1)
    parser.add_argument("--rows", type=int, default=GOAL["rows"])
    parser.add_argument("--folder", type=Path, help="where images and training lie for the time being")
    options = parser.parse_args()
    num_rows = 2000 if options.tiny else options.rows
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        project = Path(scratch)
        file = project / "manifest.parquet"
        manifest = Manifest(write_images(project / "images.tar", num_rows), project, np.arange(num_rows))
        frame = manifest.table.to_pandas(types_mapper=pd.ArrowDtype)
        ParquetDataset(filepath=str(file)).save(frame)
        del manifest, frame
        alone = alone_seconds(file, project)
        result = {
            "what": "the start of a training on many rows",
            "rows": num_rows,
            "goal": GOAL,
            "alone_seconds": alone,
            **first_step(project, file),
        }
    sys.stderr.write(f"{result}\n")
    write({**result, **this_machine()}, options)


if __name__ == "__main__":
    main()
