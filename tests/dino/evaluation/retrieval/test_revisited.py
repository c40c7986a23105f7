"""Easy, medium and hard; images in their own shape; a query that is in the gallery finds itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dino_pipeline.dino.evaluation.image_files import images_in
from dino_pipeline.dino.evaluation.retrieval.ground_truth import read_ground_truth
from dino_pipeline.dino.evaluation.retrieval.revisited import RevisitedImages, describe_revisited, protocols

CPU = torch.device("cpu")


def test_the_protocols_share_out_easy_hard_and_junk(folder):
    criteria = protocols(read_ground_truth(folder / "gnd_tiny.pkl"))
    sets = {
        name: [torch.nonzero(kind(slice(0, 1))[0]).flatten().tolist() for kind in criterion]
        for name, criterion in criteria.items()
    }
    assert sets == {"easy": [[4], [1, 2, 3]], "medium": [[1, 2, 4], [3]], "hard": [[1, 2], [3, 4]]}


def test_large_images_are_reduced_and_small_ones_left(folder):
    images = images_in(folder / "jpg")
    assert RevisitedImages(images, 25)[0].shape == (3, 15, 25)
    pixels = RevisitedImages(images, 60)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(pixels, np.asarray(Image.open(folder / "jpg" / "a.jpg")))
    boxes = np.array([[10.0, 5.0, 30.0, 15.0]] * len(images))
    assert np.array_equal(RevisitedImages(images, 60, boxes)[0].permute(1, 2, 0).numpy(), pixels[5:15, 10:30])


def test_a_query_that_is_in_the_gallery_comes_first(folder, networks, revisited_config, extract_config):
    searched = describe_revisited("tiny", folder, networks, revisited_config, extract_config, device=CPU)
    scores = searched.scores("easy", cutoffs=[1], device=CPU)
    for network in ("teacher", "random"):
        assert scores[network].average_precision[0].item() == 1
        assert scores[network].average_precision[1].isnan(), "it has nothing that is easy"
        torch.testing.assert_close(searched.gallery_descriptors[network].norm(dim=1), torch.ones(6))
    neighbors = searched.nearest("teacher", "medium", num_queries=2, num_neighbors=6)
    assert neighbors[0][0] == (4, True)
    assert {position for position, is_right in neighbors[0] if is_right is None} == {3}


def test_queries_are_cropped_to_the_landmark_where_that_is_asked_for(
    folder, networks, revisited_config, extract_config
):
    whole, cropped = (
        describe_revisited(
            "tiny", folder, networks, replace(revisited_config, crop_queries=crop), extract_config, device=CPU
        ).query_descriptors["teacher"]
        for crop in (False, True)
    )
    torch.testing.assert_close(whole[0], cropped[0])
    assert not torch.allclose(whole[1], cropped[1], atol=1e-3)


def test_a_missing_image_is_named(folder, networks, revisited_config, extract_config):
    (folder / "jpg" / "c.jpg").unlink()
    with pytest.raises(ValueError, match=r"lacks 1 of 6 images, such as c\.jpg"):
        describe_revisited("tiny", folder, networks, revisited_config, extract_config, device=CPU)
