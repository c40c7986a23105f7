"""Time DINO's loss, forward and backward, beside one term a pair of views: python benchmarks/loss.py.

float32, 16 images, 10 views, K = 65,536. Memory is by how much the peak of a fresh process grows in one call.
"""

import multiprocessing
import resource
from collections.abc import Callable

import torch
from peers import lightly_dino
from peers.plain_dino import pair_loss
from side_by_side import Floor, arguments, report, take_turns
from torch import Tensor

from dino_pipeline.dino.core.losses.centering import Center
from dino_pipeline.dino.core.losses.methods.dino import dino_loss

NUM_CROPS = 10


def ours(student: Tensor, teacher: Tensor, center: Tensor) -> Tensor:
    operator = Center(center.shape[-1], momentum=0.9)
    return dino_loss(student, operator.targets(teacher, 0.04), student_temperature=0.1)


def pairs(student: Tensor, teacher: Tensor, center: Tensor) -> Tensor:
    return pair_loss(student.flatten(0, 1), teacher.flatten(0, 1), center, num_crops=NUM_CROPS)


def lightly(student: Tensor, teacher: Tensor, center: Tensor) -> Tensor:
    from lightly.loss import DINOLoss

    loss: Tensor = DINOLoss(center.shape[-1])(list(teacher), list(student), epoch=0)
    return loss


FORMS = {"ours": ours, "pairs": pairs} | ({} if lightly_dino.MISSING else {"lightly": lightly})
FLOORS = [Floor("ours", "pairs", 2.5), Floor("ours", "lightly", 2.5)]


def call(name: str, batch: int, prototypes: int) -> Callable[[], None]:
    """Forward and backward, ready to be called; the form by its name, since processes are spawned."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(NUM_CROPS, batch, prototypes, generator=generator, requires_grad=True)
    teacher = torch.randn(2, batch, prototypes, generator=generator)
    center = torch.zeros(1, prototypes)

    def forward_and_backward() -> None:
        student.grad = None
        FORMS[name](student, teacher, center).backward()

    return forward_and_backward


def peak_mebibytes(name: str, batch: int, prototypes: int) -> int:
    """By how much the first call raises the peak memory of this process, which should be a fresh one."""
    torch.set_num_threads(1)
    work = call(name, batch, prototypes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    return round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__).parse_args()
    torch.set_num_threads(options.num_threads)
    batch, prototypes = (2, 256) if options.tiny else (16, 65536)
    memory = {}  # first: a process starts with the peak of the one that started it
    for name in FORMS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            memory[name] = pool.apply(peak_mebibytes, (name, 2 * batch, prototypes))
    report(
        "loss",
        take_turns({name: call(name, batch, prototypes) for name in FORMS}, options.num_rounds),
        FLOORS,
        options,
        work=f"forward and backward, float32, {batch} images, {NUM_CROPS} views, K = {prototypes:,}",
        skipped={"lightly": lightly_dino.MISSING} if lightly_dino.MISSING else {},
        more={f"peak_mebibytes_of_{2 * batch}_images": memory},
    )


if __name__ == "__main__":
    main()
