"""Each loss against the formula of its paper, written out image by image."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dino_pipeline.dino.core.losses.centering import SinkhornKnopp
from dino_pipeline.dino.core.losses.coding_rate import coding_rate
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.koleo import koleo
from dino_pipeline.dino.core.losses.loss import Loss, LossInput, build_loss

TAKEN = torch.tensor(False)
USUAL = {
    "name": "dino",
    "student_temperature": 0.1,
    "centering": "center",
    "center_momentum": 0.9,
    "queue_length": 0,
    "koleo_weight": 0.0,
    "coding_rate_weight": 0.0,
    "coding_rate_epsilon": 0.2,
    "options": {},
}


def build(num_logits: int, **changes: object) -> Loss:
    return build_loss(LossConfig(**(USUAL | changes)), num_logits).double()


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def inputs(student: Tensor, teacher: Tensor, **more: object) -> LossInput:
    return LossInput(student, student, student, teacher, 0.05, **more)


def cosine(a: Tensor, b: Tensor) -> float:
    return float(F.cosine_similarity(a, b, dim=0))


def test_mse_is_byols_two_less_two_cosines_of_swapped_views() -> None:
    student, teacher = random_logits(2, 3, 5), random_logits(2, 3, 5, seed=1)
    byol = [2 - 2 * cosine(student[v, i], teacher[1 - v, i]) for v in range(2) for i in range(3)]
    found = build(5, name="mse", centering="none")(inputs(student, teacher))
    assert float(found.loss) == pytest.approx(sum(byol) / 6)
    assert not found.metrics


def test_a_centered_mse_compares_with_what_exceeds_the_center() -> None:
    student, teacher = random_logits(2, 3, 5), random_logits(2, 3, 5, seed=1)
    centered = build(5, name="mse", center_momentum=0.0)
    centered.update(teacher, skip=TAKEN)
    plain = build(5, name="mse", centering="none")
    expected = plain(inputs(student, teacher - teacher.mean(dim=(0, 1)))).loss
    torch.testing.assert_close(centered(inputs(student, teacher)).loss, expected)


def test_negatives_of_the_batch_make_simclrs_nt_xent() -> None:
    student = random_logits(2, 4, 5)
    temperature = 0.5
    z = [student[v, i] for v in range(2) for i in range(4)]  # 2N embeddings
    total = 0.0
    for a in range(8):
        similarity = [math.exp(cosine(z[a], z[b]) / temperature) for b in range(8)]
        total -= math.log(similarity[(a + 4) % 8] / (sum(similarity) - similarity[a]))
    found = build(5, name="info_nce", student_temperature=temperature)(inputs(student, student)).loss
    assert float(found) == pytest.approx(total / 8)


def test_negatives_of_a_queue_make_mocos_loss_in_both_directions() -> None:
    query, key, past = random_logits(2, 3, 5), random_logits(2, 3, 5, seed=1), random_logits(2, 4, 5, seed=2)
    loss = build(5, name="info_nce", queue_length=4, student_temperature=0.2)
    loss.update(past, skip=TAKEN)
    total = 0.0
    for v in range(2):
        for i in range(3):
            positive = math.exp(cosine(query[v, i], key[1 - v, i]) / 0.2)
            negative = sum(math.exp(cosine(query[v, i], past[1 - v, j]) / 0.2) for j in range(4))
            total -= math.log(positive / (positive + negative))
    assert float(loss(inputs(query, key)).loss) == pytest.approx(total / 6)


def test_the_newest_keys_push_out_the_oldest_and_a_skipped_step_none() -> None:
    loss = build(2, name="info_nce", queue_length=3)
    first, second = random_logits(2, 2, 2), random_logits(2, 2, 2, seed=1)
    for keys in (first, second):
        loss.update(keys, skip=TAKEN)
    (rows,) = loss.state_dict().values()
    torch.testing.assert_close(rows, F.normalize(torch.cat([second, first[:, :1]], dim=1), dim=-1))
    before = rows.clone()
    loss.update(first, skip=torch.tensor(True))
    assert torch.equal(rows, before)


def sinkhorn_by_the_papers_code(x: Tensor, temperature: float, iterations: int) -> Tensor:
    x = (x / temperature).exp()
    for _ in range(iterations):
        x = x / x.sum(dim=0, keepdim=True)
        x = x / x.sum(dim=1, keepdim=True)
    return x


@pytest.mark.parametrize("iterations", [1, 3])
def test_sinkhorn_knopp_is_the_papers_in_each_view(iterations: int) -> None:
    teacher = random_logits(2, 6, 4)
    found = SinkhornKnopp(4, num_iterations=iterations, queue_length=0).double().targets(teacher, 0.3)
    for view in range(2):
        torch.testing.assert_close(found[view], sinkhorn_by_the_papers_code(teacher[view], 0.3, iterations))


def test_one_iteration_is_the_softmax_over_the_batch() -> None:
    teacher = random_logits(2, 6, 4)
    over_batch = (teacher / 0.05).softmax(dim=1)
    expected = over_batch / over_batch.sum(dim=2, keepdim=True)
    found = build(4, centering="softmax_over_batch").centering.targets(teacher, 0.05)
    torch.testing.assert_close(found, expected)


def test_a_queue_that_is_half_full_counts_as_far_as_it_is() -> None:
    past, teacher = random_logits(2, 3, 4), random_logits(2, 5, 4, seed=1)
    operator = SinkhornKnopp(4, num_iterations=3, queue_length=6).double()
    operator.update(past, skip=TAKEN)
    found = operator.targets(teacher, 0.3)
    expected = sinkhorn_by_the_papers_code(torch.cat([teacher[0], past[0]]), 0.3, 3)[:5]
    torch.testing.assert_close(found[0], expected)


def test_without_centering_targets_are_a_plain_softmax_for_ever() -> None:
    loss = build(4, centering="none")
    teacher = random_logits(2, 6, 4)
    loss.update(teacher, skip=TAKEN)
    torch.testing.assert_close(loss.centering.targets(teacher, 0.05), (teacher / 0.05).softmax(dim=-1))


def test_cross_entropy_is_entropy_and_kl() -> None:
    found = build(4)(inputs(random_logits(3, 6, 4), random_logits(2, 6, 4, seed=1)))
    torch.testing.assert_close(found.loss, found.metrics["teacher_entropy"] + found.metrics["kl"])


def test_koleo_is_the_mean_logarithm_of_the_distance_to_the_nearest() -> None:
    features = random_logits(2, 5, 3)
    unit = F.normalize(features, dim=-1)
    nearest = [
        min(float((unit[v, i] - unit[v, j]).norm()) for j in range(5) if j != i)
        for v in range(2)
        for i in range(5)
    ]
    expected = -sum(map(math.log, nearest)) / 10
    assert float(koleo(features)) == pytest.approx(expected, abs=1e-6)
    student, teacher = random_logits(2, 5, 3), random_logits(2, 5, 3, seed=1)
    with_term = build(3, koleo_weight=0.1)(inputs(student, teacher))
    without = build(3)(inputs(student, teacher))
    torch.testing.assert_close(with_term.loss, without.loss + 0.1 * koleo(student))
    torch.testing.assert_close(with_term.metrics["kl"], without.metrics["kl"])


def test_the_coding_rate_is_half_the_volume_that_embeddings_fill() -> None:
    embeddings, epsilon = random_logits(2, 6, 4), 0.3
    unit = F.normalize(embeddings, dim=-1).numpy()
    rates = [np.linalg.slogdet(np.eye(4) + 4 / (6 * epsilon**2) * view.T @ view)[1] / 2 for view in unit]
    assert float(coding_rate(embeddings, epsilon=epsilon)) == pytest.approx(np.mean(rates), rel=1e-12)
    one_direction = embeddings[:1, :1].expand(1, 6, 4)  # a single eigenvalue, 1
    expected = math.log(1 + 4 / epsilon**2) / 2
    assert float(coding_rate(one_direction, epsilon=epsilon)) == pytest.approx(expected, rel=1e-12)


def test_the_coding_rate_of_the_global_crops_embeddings_is_taken_off_the_loss() -> None:
    student, teacher, embeddings = (random_logits(v, 5, 3, seed=s) for v, s in ((3, 0), (2, 1), (3, 2)))
    given = inputs(student, teacher)._replace(student_embeddings=embeddings)
    found = build(3, coding_rate_weight=0.1, coding_rate_epsilon=0.5)(given)
    expected = build(3)(given).loss - 0.1 * coding_rate(embeddings[:2], epsilon=0.5)
    torch.testing.assert_close(found.loss, expected)


def test_emp_ssl_is_one_less_the_cosine_with_the_mean_of_the_views() -> None:
    student = random_logits(3, 4, 5)
    unit = F.normalize(student, dim=-1)
    expected = np.mean([1 - cosine(student[v, i], unit[:, i].sum(dim=0)) for v in range(3) for i in range(4)])
    found = build(5, name="emp_ssl", centering="none")(inputs(student, student[:2]))
    assert float(found.loss) == pytest.approx(expected)


def test_barlow_twins_correlates_each_dimension_with_itself_alone() -> None:
    student = 100 * random_logits(2, 6, 3)  # beside which the variance's epsilon is nothing
    correlation = np.corrcoef(student[0].T, student[1].T)[:3, 3:]
    own = np.diag(correlation)
    expected = ((1 - own) ** 2).sum() + 5e-3 * ((correlation**2).sum() - (own**2).sum())
    found = build(3, name="barlow_twins")(inputs(student, student)).loss
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_every_view_predicts_its_label_and_unknown_labels_are_left_out() -> None:
    student = random_logits(3, 4, 5)
    labels = torch.tensor([0, 4, -100, 2])
    known = [(v, i) for v in range(3) for i in (0, 1, 3)]
    expected = -sum(float(student[v, i].log_softmax(dim=0)[labels[i]]) for v, i in known) / 9
    found = build(5, name="supervised")(inputs(student, student[:2], labels=labels)).loss
    assert float(found) == pytest.approx(expected)


def test_mse_has_no_operator_that_makes_distributions() -> None:
    with pytest.raises(ValueError, match=r"centering is sinkhorn_knopp.*set it to center or none"):
        LossConfig(**(USUAL | {"name": "mse", "centering": "sinkhorn_knopp"}))


def test_distillation_is_two_less_two_cosines_of_the_same_view() -> None:
    student, teacher = random_logits(2, 3, 5), random_logits(2, 3, 5, seed=1)
    expected = sum(2 - 2 * cosine(student[v, i], teacher[v, i]) for v in range(2) for i in range(3)) / 6
    found = build(5, name="distillation")(inputs(student, teacher)).loss
    assert float(found) == pytest.approx(expected)
