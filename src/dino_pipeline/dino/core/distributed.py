"""Rank, world size and reductions that work in a process group and in a single process (0, 1, identity)."""

import os
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor


def in_group() -> bool:
    """Whether this process is one of several."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    return dist.get_rank() if in_group() else 0


def world_size() -> int:
    return dist.get_world_size() if in_group() else 1


def local_rank() -> int:
    """This process's number on its own machine, as torchrun sets it."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def own_device() -> torch.device:
    """This process's GPU, chosen by its number on the machine, or the CPU if there is no GPU.

    Raises:
        ValueError: this machine runs more processes than it has GPUs.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local_rank() >= torch.cuda.device_count():
        raise ValueError(
            f"torchrun's --nproc-per-node starts process {local_rank()} on this machine, which has "
            f"{torch.cuda.device_count()} visible GPUs: set it to {torch.cuda.device_count()}, or check "
            "CUDA_VISIBLE_DEVICES"
        )
    return torch.device("cuda", local_rank())


def join_group(device: torch.device) -> None:
    """Join the process group that torchrun describes in the environment. A single process joins none."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # With GPUs, too, processes exchange flags over gloo: reading a flag from a GPU waits for all its queued work.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")


def leave_group() -> None:
    if in_group():
        dist.destroy_process_group()


def barrier() -> None:
    """Wait until every process is here."""
    if in_group():
        dist.barrier()


def all_reduce_sum(x: Tensor) -> Tensor:
    """Sum over all processes, in place. A single process returns the tensor itself."""
    if in_group():
        dist.all_reduce(x)
    return x


def any_process(flag: bool) -> bool:
    """Whether the flag is set on any process. Every process gets the same result, without waiting for a GPU."""
    if not in_group():
        return flag
    flags = torch.tensor([float(flag)])
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    return bool(flags.item())


def largest(value: float, device: torch.device) -> float:
    """The largest of the processes' values, equal on every process."""
    if not in_group():
        return value
    values = torch.tensor([value], dtype=torch.float64, device=device)
    dist.all_reduce(values, op=dist.ReduceOp.MAX)
    return values.item()


def local(tensors: Iterable[Tensor]) -> list[Tensor]:
    """This process's shards of sharded tensors; other tensors as they are."""
    return [t.to_local() if isinstance(t, DTensor) else t for t in tensors]


def gather(x: Tensor) -> Tensor:
    """Stack the tensors of all processes, which have equal shapes: [processes, *shape]."""
    if not in_group():
        return x[None]
    parts = [torch.empty_like(x) for _ in range(world_size())]
    dist.all_gather(parts, x)
    return torch.stack(parts)


def gather_lists(own: list[Any]) -> list[Any]:
    """Concatenate the lists of all processes, in the order of processes. Items are plain values."""
    if not in_group():
        return own
    parts: list[list[Any]] = [[] for _ in range(world_size())]
    dist.all_gather_object(parts, own)
    return [item for part in parts for item in part]


def gather_rows(rows: Tensor, *, num_rows: int) -> Tensor:
    """Restore the order of rows that were distributed in turn: process r holds rows r, r + world size, ...

    Args:
        rows: [own rows, dim]
        num_rows: number of rows over all processes. Processes may differ by one row.

    Returns:
        [num_rows, dim] on every process.
    """
    if not in_group():
        return rows
    longest = -(-num_rows // world_size())
    padded = torch.zeros(longest, *rows.shape[1:], dtype=rows.dtype, device=rows.device)
    padded[: len(rows)] = rows
    return gather(padded).transpose(0, 1).flatten(0, 1)[:num_rows]


class _DifferentiableSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:  # noqa: ARG004
        return all_reduce_sum(x.clone())

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:  # noqa: ARG004
        return all_reduce_sum(grad.clone())


def differentiable_sum(x: Tensor) -> Tensor:
    """Sum over all processes. The backward pass returns the summed gradient to every process."""
    result: Tensor = _DifferentiableSum.apply(x) if in_group() else x
    return result


class _DifferentiableGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:  # noqa: ARG004
        return gather(x.contiguous())

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:  # noqa: ARG004
        return all_reduce_sum(grad.clone())[rank()]


def differentiable_gather(x: Tensor) -> Tensor:
    """`gather` with gradients: every process's tensor gets the gradients from all processes. [processes, *shape]"""
    result: Tensor = _DifferentiableGather.apply(x) if in_group() else x[None]
    return result
