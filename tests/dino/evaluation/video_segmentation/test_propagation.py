"""Propagation in tiles is the dense formula of the published code, and the published code's own numbers."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dino_pipeline.dino.evaluation.video_segmentation.propagation import TILE, label_map, propagate


def unit(generator, *shape):
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def dense(target, features, masks, *, neighborhood_radius, top_k, temperature):
    """A query patch at a time, against every patch of every context frame."""
    num_contexts, num_classes, num_rows, num_columns = masks.shape
    out = torch.zeros(num_classes, num_rows, num_columns, dtype=torch.float64)
    for row in range(num_rows):
        for column in range(num_columns):
            affinity = torch.zeros(num_contexts, num_rows, num_columns, dtype=torch.float64)
            for other_row in range(num_rows):
                for other_column in range(num_columns):
                    if max(abs(row - other_row), abs(column - other_column)) <= neighborhood_radius:
                        cosine = features[:, other_row, other_column] @ target[row, column]
                        affinity[:, other_row, other_column] = torch.exp(cosine / temperature)
            least = sorted(affinity.flatten().tolist())[-top_k]
            affinity[affinity < least] = 0
            for index in range(num_classes):
                out[index, row, column] = (affinity * masks[:, index]).sum() / affinity.sum()
    return out


@pytest.mark.golden
def test_it_gives_the_published_codes_numbers(golden):
    numbers = np.load(golden / "label_propagation.npz")
    shape = (int(numbers["height"]), int(numbers["width"]))
    context = torch.from_numpy(numbers["context_features"]).transpose(1, 2).unflatten(1, shape)
    propagated = propagate(
        F.normalize(torch.from_numpy(numbers["target_features"]).unflatten(0, shape), dim=-1),
        F.normalize(context, dim=-1),
        torch.from_numpy(numbers["context_masks"]),
        neighborhood_radius=int(numbers["neighborhood_radius"]),
        top_k=int(numbers["top_k"]),
        temperature=float(numbers["temperature"]),
    )
    np.testing.assert_allclose(propagated, numbers["propagated_mask"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "contexts", "radius", "top_k"),
    [
        ((TILE - 3, TILE - 1), 1, 2, 3),  # less than a tile
        ((2 * TILE, TILE), 2, 3, 5),  # whole tiles
        ((TILE + 1, 2 * TILE + 3), 2, 1, 5),  # a rest in both directions
        ((TILE + 2, TILE + 5), 1, 40, 7),  # a neighbourhood larger than the frame
        ((TILE + 2, TILE), 1, 1, 12),  # fewer neighbours than top_k
    ],
)
def test_tiles_are_the_dense_formula(shape, contexts, radius, top_k):
    generator = torch.Generator().manual_seed(0)
    inputs = (
        unit(generator, *shape, 6),
        unit(generator, contexts, *shape, 6),
        torch.rand(contexts, 3, *shape, generator=generator, dtype=torch.float64),
    )
    options = {"neighborhood_radius": radius, "top_k": top_k, "temperature": 0.1}
    torch.testing.assert_close(propagate(*inputs, **options), dense(*inputs, **options), rtol=0, atol=1e-9)


def test_patches_as_similar_as_the_last_of_the_top_count_too():
    features = torch.zeros(1, 1, 4, 2, dtype=torch.float64)
    features[..., 0] = 1  # four equal patches
    masks = torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]], dtype=torch.float64)
    propagated = propagate(features[0], features, masks, neighborhood_radius=3, top_k=1, temperature=0.1)
    torch.testing.assert_close(propagated, torch.full((1, 1, 4), 0.25, dtype=torch.float64))


def test_top_k_may_exceed_the_patches_there_are():
    features = unit(torch.Generator().manual_seed(0), 1, 1, 2, 3)
    masks = torch.ones(1, 1, 1, 2, dtype=torch.float64)
    propagated = propagate(features[0], features, masks, neighborhood_radius=1, top_k=50, temperature=0.1)
    torch.testing.assert_close(propagated, torch.ones(1, 1, 2, dtype=torch.float64))


def test_a_still_picture_keeps_its_mask():
    features = unit(torch.Generator().manual_seed(0), 1, 20, 20, 64)
    masks = torch.zeros(1, 2, 20, 20, dtype=torch.float64)
    masks[:, 1, 5:12, 7:15] = 1
    masks[:, 0] = 1 - masks[:, 1]
    propagated = propagate(features[0], features, masks, neighborhood_radius=4, top_k=1, temperature=0.1)
    torch.testing.assert_close(propagated, masks[0])


def test_a_faded_object_is_stretched_before_classes_are_compared():
    background = torch.tensor([[1.0, 0.7, 0.7, 1.0]])
    masks = torch.stack([background, 1 - background])  # at most 0.3, and clearly there
    assert label_map(masks, 1, 4).tolist() == [[0, 1, 1, 0]]


def test_a_constant_mask_is_left_as_it_is():
    everywhere = torch.stack([torch.zeros(2, 3), torch.ones(2, 3)])
    assert label_map(everywhere, 4, 6).eq(1).all()
    assert label_map(everywhere.flip(0), 4, 6).eq(0).all()
