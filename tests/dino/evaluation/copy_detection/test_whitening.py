"""Whitening is scikit-learn's, up to the sign that an axis does not have."""

import numpy as np
import torch
from sklearn.decomposition import PCA

from dino_pipeline.dino.evaluation.copy_detection.gem import learn_whitening


def correlated(num_images, seed):
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((6, 6))
    return random.standard_normal((num_images, 6)) @ mixing + 3


def test_other_images_are_whitened_as_by_scikit_learn():
    learned_on, others = correlated(80, 1), correlated(20, 2)
    whitening = learn_whitening(torch.from_numpy(learned_on), eigenvalue_floor=1e-9)
    found = whitening(torch.from_numpy(others)).numpy()
    expected = PCA(whiten=True).fit(learned_on).transform(others)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-9)


def test_what_it_was_learned_on_becomes_uncorrelated_with_variance_one():
    images = torch.from_numpy(correlated(50, 3))
    whitened = learn_whitening(images, eigenvalue_floor=1e-9)(images).numpy()
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(6), atol=1e-9)


def test_a_direction_in_which_images_hardly_differ_is_not_blown_up():
    images = torch.tensor([[10.0, 0.0], [-10.0, 0.0], [0.0, 1e-6], [0.0, -1e-6]])
    whitening = learn_whitening(images, eigenvalue_floor=0.01)
    largest = np.sqrt(200 / 3)  # the standard deviation of the first coordinate
    np.testing.assert_allclose(whitening(torch.tensor([[1.0, 0.0]])).abs(), [[1 / largest, 0]], atol=1e-9)
    np.testing.assert_allclose(whitening(torch.tensor([[0.0, 1.0]])).abs(), [[0, 10 / largest]], atol=1e-9)
