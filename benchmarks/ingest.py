"""Time a first and a second ingest of many small files: python benchmarks/ingest.py [--num-images 200000].

Prints one JSON object (benchmarks/results/ingest.json is one). The first ingest is held against the bare work on
the same files: read, decode and hash, on as many processes, and nothing else. The second has only the index to go by.
CPU seconds are of the main process alone: all of the second ingest, which on a busy machine they tell better.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import simplejpeg
import yaml

from dino_pipeline.dino.config import from_dict
from dino_pipeline.dino.data.images import decode_rgb
from dino_pipeline.dino.data.images_config import ImagesConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.ingest import ingest

RGB = ImagesConfig(channels=3, bits=8)
PARAMETERS = Path(__file__).parents[1] / "conf" / "base" / "parameters_ingest.yml"


def write_images(folder: Path, num_images: int) -> None:
    """32 px JPEG files in ten class folders, each of different bytes."""
    random = np.random.default_rng(0)
    for number in range(num_images):
        file = folder / str(number % 10) / f"{number:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(simplejpeg.encode_jpeg(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)))


def read_decode_and_hash(paths: list[str], num_processes: int) -> None:
    """What ingestion cannot do without, in its own way of starting processes."""
    with multiprocessing.get_context("forkserver").Pool(num_processes) as pool:
        for _ in pool.imap(_facts, paths, chunksize=256):
            pass
        pool.close()
        pool.join()


def _facts(path: str) -> tuple[tuple[int, ...], str]:
    data = Path(path).read_bytes()
    return decode_rgb(data).shape, hashlib.sha256(data).hexdigest()


def timed(work: Callable[[], None]) -> dict[str, float]:
    """Seconds by the clock, and of CPU time of this process."""
    start, cpu_start = time.perf_counter(), time.process_time()
    work()
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(time.process_time() - cpu_start, 2),
    }


def main() -> None:
    """Generate, ingest twice, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-images", type=int, default=200_000)
    options = parser.parse_args()
    config = from_dict(IngestConfig, yaml.safe_load(PARAMETERS.read_text())["ingest"])
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        write_images(project / "images", options.num_images)
        paths = [str(path) for path in sorted((project / "images").rglob("*.jpg"))]
        bare = timed(lambda: read_decode_and_hash(paths, config.num_workers))

        def ingest_once() -> None:
            ingest(
                replace(config, source="images"),
                RGB,
                project_folder=project,
                raw_folder=project / "raw",
                cache_folder=project / "cache",
            )

        first, second = timed(ingest_once), timed(ingest_once)
    result = {
        "num_images": options.num_images,
        "image": "JPEG, 32 x 32 px",
        "bare_read_decode_hash": bare,
        "first_ingest": first,
        "first_ingest_over_bare": round(first["seconds"] / bare["seconds"], 2),
        "second_ingest": second,
        "num_workers": config.num_workers,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in ("pandas", "pillow", "pyarrow", "simplejpeg")},
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "command": f"python benchmarks/ingest.py --num-images {options.num_images}",
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
