"""A worker that says that it joins its group, in which rank 1 never arrives."""

import os
import sys
import time
from pathlib import Path

import torch

from dino_pipeline.dino.core.distributed import join_group

if __name__ == "__main__":
    spec = Path(sys.argv[1])
    spec.with_name(f"joining-{os.environ['RANK']}").touch()
    while os.environ["RANK"] == "1":
        time.sleep(1)
    join_group(torch.device("cpu"))
