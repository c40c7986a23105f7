"""Logistic regression against scikit-learn's, which minimises the same sum."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dino_pipeline.dino.evaluation.low_shot import logistic_regression
from dino_pipeline.dino.evaluation.low_shot.logistic_regression import train_logistic_regressions

INVERSE_PENALTIES = [0.01, 1.0, 30.0]


def draws(num_draws, num_images, dim, num_classes=4):
    """Features off center and of unequal spread, so that a wrong turn or center shows."""
    generator = torch.Generator().manual_seed(dim)
    labels = (torch.arange(num_images) % num_classes).repeat(num_draws, 1)
    centers = torch.randn(num_classes, dim, generator=generator)
    noise = torch.randn(num_draws, num_images, dim, generator=generator)
    return (centers[labels] + 1.5 * noise) * torch.logspace(0, -1, dim) + 2, labels


def trained(features, labels, tolerance=1e-9):
    return train_logistic_regressions(
        features, labels, inverse_penalties=INVERSE_PENALTIES, tolerance=tolerance, max_iterations=2000
    )


@pytest.mark.parametrize(("num_images", "dim"), [(60, 7), (12, 40)])
def test_every_draw_and_penalty_agrees_with_scikit_learn(num_images, dim):
    features, labels = draws(2, num_images, dim)
    classifiers = trained(features, labels)
    assert classifiers.has_converged.all()
    for draw in range(2):
        x, y = features[draw].double().numpy(), labels[draw].numpy()
        for index, inverse_penalty in enumerate(INVERSE_PENALTIES):
            expected = LogisticRegression(C=inverse_penalty, tol=1e-10, max_iter=50_000).fit(x, y)
            weight = classifiers.weight[draw, index].T.numpy()
            np.testing.assert_allclose(weight, expected.coef_, atol=1e-4 * np.abs(expected.coef_).max())
            # The bias is known but for a constant.
            bias = classifiers.bias[draw, index].numpy()
            centered = expected.intercept_ - expected.intercept_.mean()
            np.testing.assert_allclose(bias - bias.mean(), centered, atol=2e-3)
            predicted = classifiers.predict(features[draw])[draw, index].numpy()
            assert (predicted == expected.predict(x)).all()


def test_chunks_of_images_change_nothing(monkeypatch):
    features, labels = draws(2, 60, 7)
    whole = trained(features, labels)
    monkeypatch.setattr(logistic_regression, "_MAX_ELEMENTS", 7 * 2 * 3 * 4)
    torch.testing.assert_close(trained(features, labels).weight, whole.weight, atol=1e-6, rtol=0)


def test_a_search_cut_short_says_so():
    features, labels = draws(1, 60, 7)
    classifiers = train_logistic_regressions(
        features, labels, inverse_penalties=[1e-6, 1e4], tolerance=1e-4, max_iterations=3
    )
    assert classifiers.has_converged.tolist() == [[True, False]]
