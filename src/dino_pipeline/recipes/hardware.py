"""Find the hardware for a training."""

from dataclasses import dataclass

import torch

from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16
from dino_pipeline.dino.launching.cores import num_cores


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The GPUs if there are any, else the CPU cores."""

    num_gpus: int
    num_cores: int
    has_bf16: bool

    @property
    def num_processes(self) -> int:
        return self.num_gpus or min(self.num_cores, 8)  # beyond, splitting a small batch gains little


def find_hardware() -> Hardware:
    """The hardware that this process may use."""
    return Hardware(
        num_gpus=torch.cuda.device_count(),
        num_cores=num_cores(),
        has_bf16=multiplies_bfloat16("cuda" if torch.cuda.is_available() else "cpu"),
    )
