"""Time raw data under DVC, as a folder of many small files and as one archive: python benchmarks/dvc_raw_data.py.

Prints one JSON object (benchmarks/results/dvc_raw_data.json is one). Each form is added to a DVC repository of its own
on one disk, looked at, and added again after a change: one more file in the folder, one more member in the archive.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import simplejpeg

DVC = str(Path(sys.executable).with_name("dvc"))


def write_images(folder: Path, num_images: int) -> None:
    """32 px JPEG files in ten class folders, each of different bytes."""
    for number in range(num_images):
        write_image(folder, number)


def write_image(folder: Path, number: int) -> Path:
    """One JPEG file, whose bytes its number decides."""
    pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    file = folder / str(number % 10) / f"{number:06d}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(simplejpeg.encode_jpeg(pixels))
    return file


def timed(repository: Path, *command: str) -> float:
    """Seconds of a command by the clock."""
    start = time.perf_counter()
    subprocess.run(command, cwd=repository, check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - start, 2)


def new_repository(folder: Path) -> Path:
    """An empty DVC repository."""
    folder.mkdir()
    timed(folder, "git", "init", "--quiet")
    timed(folder, DVC, "init", "--quiet")
    return folder


def main() -> None:
    """Generate, add, look, change, add again, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-images", type=int, default=60_000)
    options = parser.parse_args()
    seconds: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        files = new_repository(Path(scratch) / "files")
        archive = new_repository(Path(scratch) / "archive")
        write_images(files / "images", options.num_images)
        with tarfile.open(archive / "images.tar", "w") as tar:
            tar.add(files / "images", "images")
        for form, repository, name in (("folder", files, "images"), ("archive", archive, "images.tar")):
            add, status = (DVC, "add", "--quiet", name), (DVC, "status", "--quiet")
            seconds[form] = {"add": timed(repository, *add), "status": timed(repository, *status)}
            added = write_image(files / "images", options.num_images)
            if form == "archive":
                # DVC may have put a read-only link to its cache in the file's place.
                timed(repository, DVC, "unprotect", name)
                with tarfile.open(repository / name, "a") as tar:
                    tar.add(added, f"images/{added.parent.name}/{added.name}")
            seconds[form]["add_after_a_change"] = timed(repository, *add)
    result = {
        "num_images": options.num_images,
        "image": "JPEG, 32 x 32 px",
        "seconds": seconds,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "versions": {"dvc": version("dvc")},
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "command": f"python benchmarks/dvc_raw_data.py --num-images {options.num_images}",
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
