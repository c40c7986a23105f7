"""Time a first and a second ingest of many small files: python benchmarks/ingest.py [--num-images 200000].

Prints one JSON object (benchmarks/results/ingest.json is one); the second ingest has only the index to go by. CPU
seconds are of this process, so on a busy machine they say more than the wall clock; `decode_seconds` is reading and
decoding alone, in one process.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import simplejpeg
import yaml

from dino_pipeline.dino.config import from_dict
from dino_pipeline.dino.data.images_config import ImagesConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.folder import list_folder
from dino_pipeline.ingestion.ingest import ingest
from dino_pipeline.ingestion.inspection import Limits, inspect

RGB = ImagesConfig(channels=3, bits=8)
PARAMETERS = Path(__file__).parents[1] / "conf" / "base" / "parameters_ingest.yml"


def write_images(folder: Path, num_images: int) -> None:
    """32 px JPEG files in ten class folders, each of different bytes."""
    random = np.random.default_rng(0)
    for number in range(num_images):
        file = folder / str(number % 10) / f"{number:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(simplejpeg.encode_jpeg(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)))


def main() -> None:
    """Generate, ingest twice, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-images", type=int, default=200_000)
    options = parser.parse_args()
    config = from_dict(IngestConfig, yaml.safe_load(PARAMETERS.read_text())["ingest"])
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        write_images(project / "images", options.num_images)
        seconds, cpu_seconds = [], []
        for _ in range(2):
            start, cpu_start = time.perf_counter(), time.process_time()
            ingest(
                replace(config, source="images"),
                RGB,
                project_folder=project,
                raw_folder=project / "raw",
                cache_folder=project / "cache",
            )
            seconds.append(round(time.perf_counter() - start, 1))
            cpu_seconds.append(round(time.process_time() - cpu_start, 1))
        sample = list_folder(project / "images").files[:: max(1, options.num_images // 5000)]
        cpu_start = time.process_time()
        for file in sample:
            inspect(file, Limits(config.max_pixels, config.max_file_megabytes * 10**6, RGB))
        decoding = (time.process_time() - cpu_start) / len(sample) * options.num_images
    result = {
        "num_images": options.num_images,
        "image": "JPEG, 32 x 32 px",
        "first_ingest_seconds": seconds[0],
        "second_ingest_seconds": seconds[1],
        "second_ingest_cpu_seconds": cpu_seconds[1],
        "decode_seconds": round(decoding, 1),
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
