"""Weights from outside: recognised by their shapes, loaded whole, or refused with what differs."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.xcit import checkpoint_filter_fn
from torchvision.models import resnet50

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.weights.foreign_weights import Wanted
from dino_pipeline.dino.weights.importing import describe_import, write_import
from dino_pipeline.dino.weights.official import OFFICIAL_BACKBONES
from dino_pipeline.dino.weights.pretrained_weights import read_timm_weights, read_weights
from dino_pipeline.dino.weights.published import load_backbone, networks_of, read_model
from dino_pipeline.dino.weights.tensor_names import backbone_weights

from .official_files import official_state, write_full_checkpoint

TINY = BackboneConfig(
    name="vit_tiny_patch16_224",
    options={"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3},
    drop_path_rate=0.0,
)
NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(official_state(TINY.name, TINY.options), tmp_path / "tiny.pth")
    return tmp_path / "tiny.pth"


def imported(path: Path, folder: Path, wanted: Wanted = Wanted()) -> Path:  # noqa: B008  it is immutable
    weights = read_weights(path, wanted)
    write_import(
        folder,
        describe_import(weights, path.name, normalisation=NORMALISATION, multi_crop={}, recipe="r"),
        weights,
    )
    return folder


def check_official(timm_name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = official_state(timm_name)
    torch.save(state, tmp_path / "official.pth")
    folder = imported(tmp_path / "official.pth", tmp_path / "model")
    published = read_model(folder)
    assert published.config["backbone"]["name"] == timm_name
    assert published.imported is not None
    assert published.imported["published"]["title"] in {known.title for known in OFFICIAL_BACKBONES}
    assert networks_of(folder) == ["teacher"]
    backbone = load_backbone(folder)
    size = 224 if timm_name.startswith("vit") else 64  # XCiT and ResNets take any size
    images = torch.randn(1, 3, size, size)
    expected = timm.create_model(timm_name, num_classes=0).eval()
    expected.load_state_dict(checkpoint_filter_fn(state, expected) if "xcit" in timm_name else state)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), expected(images), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("timm_name", ["vit_small_patch16_224", "xcit_small_12_p16_224"])
def test_a_published_layout_is_recognised_and_computes_as_timms_own_reader_has_it(
    timm_name: str, tmp_path: Path
) -> None:
    check_official(timm_name, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("timm_name", [known.timm_name for known in OFFICIAL_BACKBONES])
def test_all_nine_published_layouts_are(timm_name: str, tmp_path: Path) -> None:
    check_official(timm_name, tmp_path)


def test_a_resnet_computes_what_torchvisions_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = resnet50()
    torch.save(network.state_dict(), tmp_path / "resnet.pth")  # its classifier is left out
    backbone = load_backbone(imported(tmp_path / "resnet.pth", tmp_path / "model"))
    network.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), network.eval()(images))


def test_an_architecture_that_is_none_of_the_published_is_named_by_the_user(
    tiny_file: Path,
) -> None:
    with pytest.raises(
        ValueError,
        match=r"tiny\.pth: a ViT of width 24, whose number of attention heads does not show",
    ):
        read_weights(tiny_file, Wanted())
    weights = read_weights(tiny_file, Wanted(required=TINY))
    backbone = build_backbone(TINY)
    backbone.model.load_state_dict(backbone_weights(weights.networks["teacher"]))
    description = describe_import(weights, "tiny.pth", normalisation=NORMALISATION, multi_crop={}, recipe="r")
    assert description.imported is not None
    assert description.imported["published"] is None
    other = describe_import(
        weights, "copy.pth", normalisation=((0.5,) * 3, (0.5,) * 3), multi_crop={}, recipe="r"
    )
    assert other.fingerprint != description.fingerprint, "other pixels, other features"


def test_what_does_not_match_is_listed_and_nothing_is_left_random(tiny_file: Path) -> None:
    state = torch.load(tiny_file)
    state["norm.gain"] = state.pop("norm.weight")
    state["blocks.1.mlp.fc2.bias"] = torch.zeros(25)
    torch.save(state, tiny_file)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_weights(tiny_file, Wanted(required=TINY))
    assert str(caught.value) == (
        "tiny.pth does not contain the weights of vit_tiny_patch16_224: 1 missing: norm.weight; 1 "
        "unexpected: norm.gain; "
        "1 of another shape: blocks.1.mlp.fc2.bias [25], not [24]"
    )


def test_a_full_checkpoint_brings_both_networks_their_heads_and_the_center(tmp_path: Path) -> None:
    state = official_state(TINY.name, TINY.options)
    write_full_checkpoint(tmp_path / "full.pth", state, num_prototypes=8, dim=24)
    weights = read_weights(tmp_path / "full.pth", Wanted(required=TINY))
    assert weights.epoch == 100
    assert weights.center is not None
    assert weights.center.shape == (1, 8)
    for network, shift in (("teacher", 0), ("student", 1)):
        torch.testing.assert_close(
            backbone_weights(weights.networks[network])["cls_token"], state["cls_token"] + shift
        )
        assert weights.networks[network]["head.last_layer.parametrizations.weight.original1"].shape == (8, 16)
    folder = imported(tmp_path / "full.pth", tmp_path / "model", Wanted(required=TINY))
    assert networks_of(folder) == ["teacher", "student"]


def test_safetensors_and_a_published_folder_are_read_too(tiny_file: Path, tmp_path: Path) -> None:
    save_file(torch.load(tiny_file), tmp_path / "tiny.safetensors")
    one = read_weights(tmp_path / "tiny.safetensors", Wanted(required=TINY))
    folder = imported(tiny_file, tmp_path / "model", Wanted(required=TINY))
    for path in (folder, folder / "teacher.safetensors"):
        other = read_weights(path, Wanted())
        assert other.backbone == TINY
        assert other.normalisation == NORMALISATION
        assert all(
            torch.equal(value, one.networks["teacher"][k]) for k, value in other.networks["teacher"].items()
        )


def test_timms_weights_are_loaded_by_timm_from_a_file_in_the_place_of_its_download(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = official_state("vit_small_patch16_224")
    torch.save(state, tmp_path / "timm.pth")
    weights = read_timm_weights("vit_small_patch16_224.dino", tmp_path / "timm.pth")
    assert all(
        torch.equal(value, state[k]) for k, value in backbone_weights(weights.networks["teacher"]).items()
    )
    assert weights.normalisation == NORMALISATION
    description = describe_import(
        weights, "timm:vit_small_patch16_224.dino", normalisation=NORMALISATION, multi_crop={}, recipe="r"
    )
    assert description.imported is not None
    assert description.imported["published"] == {"title": "ViT-S/16", "knn": 74.5, "linear": 77.0}
    with pytest.raises(ValueError, match=r"has no model 'vit_smal'.*similar"):
        read_timm_weights("vit_smal", None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"state_dict": {"module.linear.weight": torch.zeros(3, 4)}}, "is a linear head"),
        ({"model": 3}, "contains model"),
        ([1, 2], "contains a list"),
        ({"teacher": {}}, "contains teacher: no backbone of a known kind"),
    ],
)
def test_files_of_other_things_say_what_they_are(content: object, expected: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(ValueError, match=expected):
        read_weights(tmp_path / "file.pth", Wanted())


@pytest.mark.golden
def test_imported_weights_are_the_end_of_the_references_trajectory(golden: Path) -> None:
    numbers = np.load(golden / "trajectory_norm_last_layer.npz")
    weights = read_weights(golden / "reference_checkpoint.pth", Wanted(options={"num_heads": 3}))
    for network in ("student", "teacher"):
        expected = {
            k.removeprefix(f"final_{network}/"): numbers[k]
            for k in numbers.files
            if k.startswith(f"final_{network}/")
        }
        plain = {k.replace("backbone.model.", "backbone."): v for k, v in weights.networks[network].items()}
        for ours, theirs in (("original0", "weight_g"), ("original1", "weight_v")):
            plain[f"head.last_layer.{theirs}"] = plain.pop(f"head.last_layer.parametrizations.weight.{ours}")
        assert set(plain) == set(expected)
        for key, value in expected.items():
            np.testing.assert_allclose(plain[key], value, atol=1e-6, err_msg=key)
    np.testing.assert_allclose(weights.center, numbers["final_center"], atol=1e-6)
