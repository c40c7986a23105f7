"""Low-shot classification of frozen features (arXiv:2104.14294, tables 10 and 12).

Each image's features are L2-normalised, as for DINOv2's logistic regression and (also centered) MSN's
(https://github.com/facebookresearch/dinov2, https://github.com/facebookresearch/msn). Validation chooses the penalty
and the number of neighbours for each draw; the chosen classifier is scored once on test.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.labels import (
    class_names,
    label_indices,
    missing_labels,
    stratified_draw,
)
from dino_pipeline.dino.evaluation.linear_probe.probes import LabelledFeatures
from dino_pipeline.dino.evaluation.low_shot.config import LogisticRegressionConfig, LowShotConfig
from dino_pipeline.dino.evaluation.low_shot.logistic_regression import train_logistic_regressions
from dino_pipeline.dino.evaluation.table import aligned
from dino_pipeline.dino.metrics.bootstrap import Groups
from dino_pipeline.dino.metrics.knn import knn_accuracy
from dino_pipeline.dino.metrics.student_t import interval
from dino_pipeline.dino.progress import with_progress


class Chosen(NamedTuple):
    """The choice of a draw on validation (a penalty or a number of neighbours), and accuracies in [0, 1]."""

    choice: float
    val: float
    test: float | None  # None if test cannot be scored


def low_shot(
    networks: Mapping[str, Features],
    config: LowShotConfig,
    *,
    device: torch.device,
    groups: Groups | None = None,
) -> dict[str, Any]:
    """Measure accuracies with few labels, for every network on the same draws.

    Args:
        groups: of the train images, drawn whole; None: each image on its own.

    Returns:
        `results`: `{1_percent: {teacher: {logistic_regression | knn: {val, val_interval, test, test_interval,
        chosen}}}}`, means over draws and half widths of their 95 % intervals, null if there are none;
        `num_labels` of each share (the draws' mean, rounded: groups are drawn whole) and `num_draws`; `num_classes`;
        `skipped` and `notes`.
    """
    any_features = next(iter(networks.values()))
    classes = class_names(any_features.split("train"))
    skipped = _skipped(missing_labels(any_features))
    report: dict[str, Any] = {"results": {}, "num_labels": {}, "num_draws": {}, "num_classes": len(classes)}
    report |= {"skipped": skipped, "notes": []}
    if "results" in skipped:
        return report
    splits = {
        name: _splits(features, classes, device, has_test="test" not in skipped)
        for name, features in networks.items()
    }
    train_labels = next(iter(splits.values()))["train"].labels.cpu().numpy()
    for fraction in config.fractions:
        share = f"{100 * fraction:g}_percent"
        draws = distinct_draws(train_labels, fraction, config.seeds, groups)
        report["num_labels"][share] = round(sum(map(len, draws)) / len(draws))
        report["num_draws"][share] = len(draws)
        report["results"][share] = {}
        for name, parts in with_progress(list(splits.items()), f"low-shot {share}", unit="networks"):
            drawn = [torch.from_numpy(draw).to(device) for draw in draws]
            by_logistic, num_unfinished = _logistic_regressions(parts, drawn, config.logistic_regression)
            report["results"][share][name] = {
                "logistic_regression": _summary(by_logistic),
                "knn": _summary([_knn(parts, rows, config) for rows in drawn]),
            }
            if num_unfinished:
                num_trained = len(drawn) * len(config.logistic_regression.inverse_penalties)
                report["notes"].append(
                    f"{share}, {name}: {num_unfinished} of {num_trained} "
                    "logistic regressions reached max_iterations"
                )
    return report


def distinct_draws(
    labels: NDArray[np.int64], fraction: float, seeds: tuple[int, ...], groups: Groups | None = None
) -> list[NDArray[np.int64]]:
    """One draw per seed, each int64 [images]; a single draw if each would be the whole split."""
    draws = [stratified_draw(labels, fraction, seed=seed, groups=groups) for seed in seeds]
    return draws[:1] if all(len(draw) == len(labels) for draw in draws) else draws


def _skipped(reasons: dict[str, str]) -> dict[str, str]:
    # Choosing needs validation.
    needed = reasons.get("train") or reasons.get("val")
    if needed:
        return {"results": needed}
    return {"test": reasons["test"]} if "test" in reasons else {}


def _splits(
    features: Features, classes: list[str], device: torch.device, *, has_test: bool
) -> dict[str, LabelledFeatures]:
    splits = {}
    for name in ("train", "val", "test") if has_test else ("train", "val"):
        part = features.split(name)
        normalised = F.normalize(torch.from_numpy(part.embedding).to(device), dim=1)
        splits[name] = LabelledFeatures(normalised, label_indices(part, classes, device))
    return splits


def _logistic_regressions(
    splits: dict[str, LabelledFeatures], draws: list[Tensor], config: LogisticRegressionConfig
) -> tuple[list[Chosen], int]:
    """Train all draws at once if they have equal size, as they do without groups."""
    if len({len(rows) for rows in draws}) == 1:
        return _logistic_regression(splits, torch.stack(draws), config)
    parts = [_logistic_regression(splits, rows[None], config) for rows in draws]
    return [chosen for one, _ in parts for chosen in one], sum(num_unfinished for _, num_unfinished in parts)


def _logistic_regression(
    splits: dict[str, LabelledFeatures], draws: Tensor, config: LogisticRegressionConfig
) -> tuple[list[Chosen], int]:
    inverse_penalties = sorted(config.inverse_penalties)
    train, val, test = splits["train"], splits["val"], splits.get("test")
    classifiers = train_logistic_regressions(
        train.features[draws],
        train.labels[draws],
        inverse_penalties=inverse_penalties,
        tolerance=config.tolerance,
        max_iterations=config.max_iterations,
    )
    accuracies = (classifiers.predict(val.features) == val.labels).double().mean(dim=-1).cpu().numpy()
    chosen = []
    for draw, by_inverse_penalty in enumerate(accuracies):
        best = int(by_inverse_penalty.argmax())  # the first among equals has the strongest penalty
        test_accuracy = None
        if test is not None:
            predicted = classifiers.only(draw, best).predict(test.features)[0, 0]
            test_accuracy = float((predicted == test.labels).double().mean())
        chosen.append(Chosen(inverse_penalties[best], float(by_inverse_penalty[best]), test_accuracy))
    return chosen, int((~classifiers.has_converged).sum())


def _knn(splits: dict[str, LabelledFeatures], rows: Tensor, config: LowShotConfig) -> Chosen:
    bank = splits["train"].features[rows], splits["train"].labels[rows]
    temperature = config.knn.temperature
    # A number above the number of images uses all of them, so such numbers are merged into one.
    counts = sorted({min(k, len(rows)) for k in config.knn.num_neighbors})
    on_val = knn_accuracy(*bank, *splits["val"], num_neighbors=counts, temperature=temperature)
    best = max(counts, key=lambda k: (on_val[k].top1, -k))
    test = None
    if "test" in splits:
        scored = knn_accuracy(*bank, *splits["test"], num_neighbors=[best], temperature=temperature)
        test = scored[best].top1
    return Chosen(best, on_val[best].top1, test)


def _summary(draws: list[Chosen]) -> dict[str, Any]:
    val = interval([draw.val for draw in draws])
    tests = [draw.test for draw in draws if draw.test is not None]
    test = interval(tests) if tests else None
    return {
        "val": val.mean,
        "val_interval": val.half_width,
        "test": test.mean if test else None,
        "test_interval": test.half_width if test else None,
        "chosen": [draw.choice for draw in draws],
    }


_TITLES = {"logistic_regression": "logistic regression", "knn": "k-NN"}


def table(report: Mapping[str, Any]) -> str:
    """One row per classifier and network, one column per share of the labels: percent on test, else on validation."""
    shares = list(report["results"])
    split = "val" if "test" in report["skipped"] else "test"
    rows = [["", *(_title(report, share) for share in shares)]]
    networks = list(report["results"][shares[0]]) if shares else []
    for classifier, title in _TITLES.items():
        for network in networks:
            cells = [_cell(report["results"][share][network][classifier], split) for share in shares]
            rows.append([f"{title}, {network}", *cells])
    lines = [aligned(rows)] if shares else []
    lines += [f"{what} skipped: {reason}" for what, reason in report["skipped"].items()]
    return "\n".join([*lines, *report["notes"]])


def _title(report: Mapping[str, Any], share: str) -> str:
    return f"{share.removesuffix('_percent')} % ({report['num_labels'][share]:,} labels)"


def _cell(measured: Mapping[str, Any], split: str) -> str:
    mean, half_width = measured[split], measured[f"{split}_interval"]
    return f"{100 * mean:.1f}" if half_width is None else f"{100 * mean:.1f} ± {100 * half_width:.1f}"
