"""mIoU against scikit-learn and the definition."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from dino_pipeline.dino.evaluation.patch_segmentation.heads import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    measures,
)


@pytest.fixture
def masks():
    """Truth with void, and a prediction that also has a class, 7, which the truth has not."""
    generator = np.random.default_rng(0)
    truth = generator.choice([0, 2, 5, 255], (17, 13), p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
    wrong = generator.choice([0, 2, 7], truth.shape)
    predicted = np.where((truth == 255) | (generator.random(truth.shape) < 0.4), wrong, truth)
    return truth, predicted.astype(np.uint8)


def test_the_matrix_is_scikit_learns_without_void(masks):
    truth, predicted = masks
    known = truth != 255
    expected = metrics.confusion_matrix(truth[known], predicted[known], labels=range(256))
    np.testing.assert_array_equal(confusion_matrix(*map(torch.from_numpy, masks)), expected)


def test_miou_is_the_mean_over_classes_of_the_truth(masks):
    truth, predicted = masks
    known = truth != 255
    confusion = confusion_matrix(*map(torch.from_numpy, masks))
    expected = metrics.jaccard_score(truth[known], predicted[known], labels=[0, 2, 5], average=None)
    assert list(iou_per_class(confusion)) == [0, 2, 5]
    np.testing.assert_allclose(list(iou_per_class(confusion).values()), expected, rtol=1e-12)
    found = measures(confusion)
    assert found["miou"] == mean_iou(confusion) == pytest.approx(expected.mean(), rel=1e-12)
    assert found["pixel_accuracy"] == pytest.approx(metrics.accuracy_score(truth[known], predicted[known]))
    assert list(found["iou"]) == ["0", "2", "5"]


def test_matrices_of_parts_add_up_to_that_of_the_whole(masks):
    truth, predicted = map(torch.from_numpy, masks)
    parts = confusion_matrix(truth[:6], predicted[:6]) + confusion_matrix(truth[6:], predicted[6:])
    torch.testing.assert_close(parts, confusion_matrix(truth, predicted))
