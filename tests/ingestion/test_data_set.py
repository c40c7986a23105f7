"""One data set has one name, whatever recipe trains on it, and another one has another."""

from pathlib import Path

import pytest
import yaml

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.data_set import data_set_name, named_after
from dino_pipeline.workspace.config_loader import shared_parameters

CONF = Path(__file__).parents[2] / "conf"


def name_of(recipe: str, **changes: object) -> str:
    own = shared_parameters(CONF, recipe)["ingest"]
    return data_set_name(from_dict(IngestConfig, own | changes), own, recipe)


def test_a_recipes_own_images_bear_its_name_or_the_one_it_gives_them() -> None:
    assert name_of("base") == "base"
    assert name_of("cifar10") == name_of("cifar10_resnet18") == "cifar10"
    imagenet = {file.parent.name for file in CONF.glob("imagenet_*/parameters.yml")} | {"official"}
    assert {name_of(recipe) for recipe in imagenet} == {"imagenet"}


def test_other_images_under_a_recipe_are_named_after_their_source() -> None:
    assert name_of("folder_of_images", source="/photos/Cats") == "cats"
    assert name_of("imagenet_vit_small", source="/data/plants.tar") == "plants"
    assert name_of("base", source=["/photos/a", "torchvision:CIFAR10"]) == "a_and_cifar10"


def test_a_name_that_the_user_gives_wins() -> None:
    assert name_of("folder_of_images", source="/a/images", name="cats") == "cats"
    assert name_of("cifar10", name="mine") == "mine"
    with pytest.raises(ValueError, match="name"):
        name_of("base", name="a/b")


def test_several_sources_of_a_recipe_are_its_own_as_a_list_and_as_a_tuple() -> None:
    own = yaml.safe_load((CONF / "base" / "parameters_ingest.yml").read_text())["ingest"]
    own |= {"source": ["/a", "/b"]}
    assert data_set_name(from_dict(IngestConfig, own), own, "both") == "both"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/photos/Holiday 2024/", "holiday_2024"),
        ("/photos/cifar10.tar.gz", "cifar10"),
        ("torchvision:FashionMNIST", "fashionmnist"),
        ("/photos/2024", "images_2024"),
    ],
)
def test_names_are_letters_digits_and_underscores(source: str, name: str) -> None:
    assert named_after(source) == name
