"""The loss against the reference's numbers and against the paper's double loop."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dino_pipeline.dino.core.losses.centering import Center
from dino_pipeline.dino.core.losses.methods.dino import dino_loss
from dino_pipeline.dino.core.optimization.config import ScheduleConfig
from dino_pipeline.dino.core.schedules import scheduled


@pytest.mark.golden
@pytest.mark.parametrize("case", [0, 1, 2])
def test_loss_gradient_and_center_are_the_references(golden: Path, case: int) -> None:
    numbers = np.load(golden / f"loss_case{case}.npz")
    num_crops, epochs = int(numbers["n_crops"]), int(numbers["epochs"])
    temperature = ScheduleConfig(
        warmup_from=float(numbers["warmup_teacher_temperature"]),
        start=float(numbers["teacher_temperature"]),
        end=float(numbers["teacher_temperature"]),
        warmup_fraction=int(numbers["warmup_epochs"]) / epochs,
    )
    center = Center(int(numbers["out_dim"]), float(numbers["center_momentum"])).double()
    for step in range(int(numbers["steps"])):
        student = (
            torch.from_numpy(numbers[f"step{step}_student"]).unflatten(0, (num_crops, -1)).requires_grad_()
        )
        teacher = torch.from_numpy(numbers[f"step{step}_teacher"]).unflatten(0, (2, -1))
        targets = center.targets(teacher, scheduled(temperature, step, epochs))
        loss = dino_loss(student, targets, student_temperature=float(numbers["student_temperature"]))
        center.update(teacher, skip=torch.tensor(False))
        loss.backward()
        assert loss.item() == pytest.approx(float(numbers[f"step{step}_loss"]), abs=1e-10)
        np.testing.assert_allclose(
            student.grad.flatten(0, 1), numbers[f"step{step}_student_grad"], atol=1e-10
        )
        np.testing.assert_allclose(center.center, numbers[f"step{step}_center_after"], atol=1e-10)


def loss_by_double_loop(student: Tensor, targets: Tensor, temperature: float) -> Tensor:
    terms = [
        -(targets[t] * torch.log_softmax(student[v] / temperature, dim=-1)).sum(dim=-1).mean()
        for t in range(len(targets))
        for v in range(len(student))
        if v != t
    ]
    return torch.stack(terms).mean()


@pytest.mark.parametrize("num_crops", [2, 3, 10])
def test_closed_form_equals_the_papers_double_loop(num_crops: int) -> None:
    generator = torch.Generator().manual_seed(num_crops)
    student = torch.randn(num_crops, 5, 11, dtype=torch.float64, generator=generator, requires_grad=True)
    targets = torch.randn(2, 5, 11, dtype=torch.float64, generator=generator).softmax(dim=-1)
    fast = dino_loss(student, targets, student_temperature=0.1)
    slow = loss_by_double_loop(student, targets, 0.1)
    (fast_grad,) = torch.autograd.grad(fast * 3.0, student)
    (slow_grad,) = torch.autograd.grad(slow * 3.0, student)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=0)
    torch.testing.assert_close(fast_grad, slow_grad, atol=1e-12, rtol=0)


def test_uniform_outputs_cost_the_logarithm_of_the_prototypes() -> None:
    targets = torch.full((2, 3, 4096), 1 / 4096)
    loss = dino_loss(torch.zeros(6, 3, 4096), targets, student_temperature=0.1)
    assert loss.item() == pytest.approx(8.3178, abs=1e-4)  # ln 4096


def test_bfloat16_scores_are_summed_in_float32() -> None:
    student = torch.randn(4, 2, 64, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    targets = torch.randn(2, 2, 64).softmax(dim=-1)
    loss = dino_loss(student, targets, student_temperature=0.1)
    loss.backward()
    assert loss.dtype == torch.float32
    assert student.grad.dtype == torch.bfloat16
