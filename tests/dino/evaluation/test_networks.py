"""The networks that evaluations compare."""

import pytest
import torch

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.evaluation.networks import load_networks


@pytest.fixture(scope="module")
def networks(manifest, model_folder, extract_config):
    return load_networks(model_folder, manifest.split("train"), extract_config, device=torch.device("cpu"))


def test_teacher_student_and_an_untrained_network_are_ready_to_evaluate(networks):
    assert list(networks.backbones) == ["teacher", "student", "random"]
    assert not any(backbone.training for backbone in networks.backbones.values())
    images = torch.zeros(1, 3, 16, 16)
    teacher, random = (networks.backbones[name](images) for name in ("teacher", "random"))
    assert teacher.shape == random.shape == (1, 24)
    assert not torch.equal(teacher, random)


def test_photographs_are_refused_by_a_model_of_other_images(networks):
    networks.require_photographs("video_segmentation")
    transform = networks.transform
    grey = type(transform)(
        resize=16, crop=16, images=ImagesConfig(channels=1, bits=16), mean=(0.5,), std=(0.2,)
    )
    with pytest.raises(
        ValueError, match=r"video_segmentation is measured on 8-bit RGB .* 1 channel.* 16 bits"
    ):
        networks._replace(transform=grey).require_photographs("video_segmentation")
