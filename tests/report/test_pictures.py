"""Views are those the loader served, neighbours those an independent search finds."""

import base64
import io

import numpy as np
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.core.data.multi_crop_dataset import Address, MultiCropDataset
from dino_pipeline.plotting.panels import spread
from dino_pipeline.report.config import NeighborsConfig
from dino_pipeline.report.pictures import first_views, nearest

RGB = ImagesConfig(channels=3, bits=8)


def pixels(picture):
    data = base64.b64decode(picture.source.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)))


def test_the_views_are_those_of_the_first_epoch_pixel_for_pixel(labelled):
    train = labelled.images.split("train")
    config = from_dict(MultiCropConfig, labelled.parameters["multi_crop"])
    dataset = MultiCropDataset(train, RGB, config, seed=labelled.parameters["seed"], augment_on_device=False)
    shown = first_views(spread(train, 3), labelled.parameters, thumbnail_size=32)
    assert len(shown) == 3
    for image, position in zip(shown, (0, 10, 19), strict=True):
        served = dataset[Address(epoch=0, position=position)]
        np.testing.assert_array_equal([pixels(view) for view in image.global_views], served.global_crops)
        np.testing.assert_array_equal([pixels(view) for view in image.local_views], served.local_crops)


def test_neighbours_are_the_nearest_by_cosine_and_judged_by_their_class(labelled):
    config = NeighborsConfig(num_queries=5, num_neighbors=4)
    queries = nearest(labelled.features, labelled.images, "val", config, read_as=RGB, thumbnail_size=32)
    train, val = labelled.features.split("train"), labelled.features.split("val")
    search = NearestNeighbors(n_neighbors=4, metric="cosine").fit(train.embedding)
    distances, indices = search.kneighbors(val.embedding)
    for query, row, found, label in zip(queries, distances, indices, val.labels, strict=True):
        np.testing.assert_allclose([n.similarity for n in query.neighbors], 1 - row, atol=1e-5)
        assert [n.is_right for n in query.neighbors] == [bool(train.labels[i] == label) for i in found]
        assert [n.picture.text for n in query.neighbors] == [train.labels[i] for i in found]


def test_without_labels_neighbours_are_not_judged(unlabelled):
    config = NeighborsConfig(num_queries=2, num_neighbors=2)
    queries = nearest(unlabelled.features, unlabelled.images, "val", config, read_as=RGB, thumbnail_size=32)
    assert {neighbor.is_right for query in queries for neighbor in query.neighbors} == {None}
