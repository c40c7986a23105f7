"""A worker that counts to three, for the test of its progress."""

import os

from dino_pipeline.dino.launching.torchrun import log_to_launcher
from dino_pipeline.dino.progress import Progress

if __name__ == "__main__":
    log_to_launcher(rank=int(os.environ["RANK"]))
    with Progress("count", total=3, unit="steps", first_seconds=0, every_seconds=0) as counted:
        for _ in range(3):
            counted.update()
