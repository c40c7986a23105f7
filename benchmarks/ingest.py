"""Time a first and a second ingest of many small files: python benchmarks/ingest.py [--num-images 60000].

Prints one JSON object; the second ingest has only the index to go by.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import simplejpeg
import yaml

from dino_pipeline.dino.config import from_dict
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.ingest import ingest

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
    parser.add_argument("--num-images", type=int, default=60_000)
    options = parser.parse_args()
    config = from_dict(IngestConfig, yaml.safe_load(PARAMETERS.read_text())["ingest"])
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        write_images(project / "images", options.num_images)
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            ingest(
                replace(config, source="images"),
                project_folder=project,
                raw_folder=project / "raw",
                cache_folder=project / "cache",
            )
            seconds.append(round(time.perf_counter() - start, 2))
    result = {
        "num_images": options.num_images,
        "first_ingest_seconds": seconds[0],
        "second_ingest_seconds": seconds[1],
        "num_workers": config.num_workers,
        "num_cpus": os.cpu_count(),
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
