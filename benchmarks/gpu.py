"""Measure a training's levers on one GPU, each alone and all together: python benchmarks/gpu.py --output FILE.

First the checks of `dino-pipeline doctor`. Then ViT-S/16 and ResNet-50 of the ImageNet recipes, 2 x 224 + 10 x 96 px:
steps on crops that lie on the device, and steps that a loader feeds from JPEG files of 375 x 500 px; then, with
--cifar ARCHIVE, a short training and its k-NN. Needs no Kedro. No row begins later than --minutes after the start; the
JSON is written after every row. MFU counts every crop's FLOPs, whatever is saved, against 989 TFLOP/s (bfloat16, dense,
H100 and H200).
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from cifar_training import cifar_training
from levers import DEVICE, FED, NETWORKS, RESIDENT, Steps, configuration, fed, optimizer_seconds, resident
from recipe_values import recipe_values
from side_by_side import arguments, this_machine, write

from dino_pipeline.dino.doctor.examination import NAMES, examine
from dino_pipeline.dino.doctor.noise_jpegs import noise_jpegs


def data_wait_share(fed_row: dict[str, Any], resident_row: dict[str, Any]) -> float | None:
    """Of the time with a loader, what is not there without one: waiting, and work that it takes from the step."""
    if "images_per_second" not in fed_row or "images_per_second" not in resident_row:
        return None
    return round(1 - fed_row["images_per_second"] / resident_row["images_per_second"], 4)


def main() -> None:
    """Measure what there is time for."""
    parser = arguments(__doc__)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument(
        "--cifar", type=Path, help="cifar10_jpeg_q90.tar.gz: JPEG files, train/<class>/ and test/"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.num_threads)
    tiny, num_workers = options.tiny, min(os.cpu_count() or 1, 16)
    if tiny:
        num_workers = 1
    batch_size, steps, side = (
        (4, Steps(1, 1), (60, 80)) if tiny else (options.batch_size, Steps(10, 30), (375, 500))
    )
    deadline = time.monotonic() + 60 * options.minutes
    rows: dict[str, Any] = {}
    examined = examine(recipe_values("smoke"), folder=Path(), checks=NAMES[:2] if tiny else NAMES)
    checks = [result._asdict() for result in examined]
    sys.stderr.writelines(f"{row['check']:14}{row['status']:16}{row['found']}\n" for row in checks)

    def measure(name: str, call: Callable[[], dict[str, Any]]) -> None:
        if time.monotonic() > deadline:
            rows[name] = {"left_out": f"--minutes {options.minutes:g} were over"}
        else:
            if DEVICE.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            try:
                rows[name] = call()
            except (
                RuntimeError
            ) as error:  # out of memory, or what does not compile: the other rows still count
                rows[name] = {"failed": " ".join(str(error).split())[:300]}
        sys.stderr.write(f"{name:80}{rows[name]}\n")
        facts = {
            "what": "levers on one GPU",
            "device": str(DEVICE),
            "batch_size": batch_size,
            "steps": steps._asdict(),
            "doctor": checks,
        }
        write({**facts, "rows": rows, "num_workers": num_workers, **this_machine()}, options)

    with tempfile.TemporaryDirectory() as scratch:
        images = noise_jpegs(
            Path(scratch) / "images", num_images=batch_size * 8, height=side[0], width=side[1]
        )
        for title, network in NETWORKS.items():
            config = configuration(network, batch_size=batch_size, tiny=tiny)
            for name, way in RESIDENT.items():
                if way.compile and DEVICE.type == "cpu":
                    continue
                measure(f"{title}, {name}", lambda c=config, w=way, n=network: resident(c, w, steps, n.flops))
            for fused in (False, True):
                measure(
                    f"{title}, AdamW alone, {'fused' if fused else 'foreach'}",
                    lambda c=config, f=fused: optimizer_seconds(c, fused=f, num_steps=steps.timed),
                )
            like_fed = rows[f"{title}, {'bf16, compiled' if DEVICE.type == 'cuda' else 'bf16'}"]
            for name, feed in FED.items():
                measure(
                    f"{title}, {name}",
                    lambda c=config, f=feed, n=network: fed(
                        c, f, images, steps, n.flops, num_workers=num_workers
                    ),
                )
                row = rows[f"{title}, {name}"]
                row["data_wait_share"] = data_wait_share(row, like_fed)
        if options.cifar:
            measure(
                "CIFAR-10, recipe cifar10",
                lambda: cifar_training(
                    options.cifar,
                    Path(scratch),
                    epochs=1 if tiny else 10,
                    batch_size=16 if tiny else 256,
                    stride=600 if tiny else 1,
                    on_gpu=DEVICE.type == "cuda",
                    num_workers=num_workers,
                ),
            )


if __name__ == "__main__":
    main()
