"""Whether the hardware multiplies bfloat16. Emulated bfloat16 is slower than float32."""

from functools import cache
from pathlib import Path

import torch


@cache
def multiplies_bfloat16(device_type: str) -> bool:
    """Whether a device type (`cuda` or `cpu`) has bfloat16 instructions. For CPUs this is known on Linux only."""
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and bool({"avx512_bf16", "amx_bf16"} & set(cpu.read_text().split()))
