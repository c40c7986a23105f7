"""The files of many trainers compute what the network that wrote them computes."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import convnext, eva, vision_transformer
from torch import nn
from torchvision import models as torchvision_models

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.weights.foreign_weights import PretrainedWeights, Wanted
from dino_pipeline.dino.weights.pretrained_weights import read_weights
from dino_pipeline.dino.weights.tensor_names import backbone_weights

from .layouts import VIT_FILES, other, prefixed, tiny_vit, transformers_dinov2, transformers_vit

LIKE_HALF = {"half precision": 2e-2, "bfloat16": 1e-1}


def written(content: Any, folder: Path, name: str = "file.pth") -> Path:
    torch.save(content, folder / name)
    return folder / name


def features(weights: PretrainedWeights, images: torch.Tensor) -> torch.Tensor:
    backbone = build_backbone(weights.backbone)
    backbone.model.load_state_dict(backbone_weights(weights.networks["teacher"]))
    with torch.no_grad():
        result: torch.Tensor = backbone.eval()(images)
    return result


def check_computes(weights: PretrainedWeights, network: nn.Module, *, size: int, atol: float = 1e-4) -> None:
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(features(weights, images), network(images), atol=atol, rtol=atol)


@pytest.mark.parametrize("layout", VIT_FILES)
def test_a_vit_in_any_wrapper_computes_what_timms_does(layout: str, tmp_path: Path) -> None:
    network = tiny_vit()
    path = written(VIT_FILES[layout](network.state_dict()), tmp_path)
    check_computes(read_weights(path, Wanted()), network, size=32, atol=LIKE_HALF.get(layout, 1e-4))


def test_what_is_left_out_and_what_is_guessed_is_said_with_how_to_overrule_it(tmp_path: Path) -> None:
    path = written(VIT_FILES["solo-learn"](tiny_vit().state_dict()), tmp_path)
    several, taken, left_out = read_weights(path, Wanted()).notes
    assert several == (
        "file.pth has several networks: state_dict.backbone is read, not state_dict.momentum_backbone; to read "
        "another, set model.prefix to its name"
    )
    assert "is taken for vit_tiny_patch16_224 {'img_size': 32, 'patch_size': 8," in taken
    assert "with 3 attention heads, as is usual for width 192; to overrule: model.architecture" in taken
    assert left_out == "file.pth: left out, because a backbone does not need it: state_dict.classifier"


def test_another_network_of_the_file_is_read_by_its_prefix(tmp_path: Path) -> None:
    network = tiny_vit()
    path = written(VIT_FILES["solo-learn"](other(network.state_dict())), tmp_path)
    prefix = "state_dict.momentum_backbone"
    network.load_state_dict(other(other(network.state_dict())))
    check_computes(read_weights(path, Wanted(prefix=prefix)), network, size=32)
    with pytest.raises(
        ValueError, match=r"model\.prefix is 'student', but the networks of file\.pth are: state_dict\.b"
    ):
        read_weights(path, Wanted(prefix="student"))


def test_student_and_teacher_of_a_training_are_both_read(tmp_path: Path) -> None:
    state = tiny_vit().state_dict()
    content = {"student": prefixed("module.backbone.", other(state)), "teacher": prefixed("backbone.", state)}
    weights = read_weights(written(content, tmp_path), Wanted())
    for network, expected in (("teacher", state), ("student", other(state))):
        read = backbone_weights(weights.networks[network])  # type: ignore[index]
        assert all(torch.equal(value, expected[name]) for name, value in read.items())


def test_options_correct_the_guess(tmp_path: Path) -> None:
    network = tiny_vit(num_heads=6)
    path = written(network.state_dict(), tmp_path)
    check_computes(read_weights(path, Wanted(options={"num_heads": 6})), network, size=32)


@pytest.mark.parametrize("name", ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"])
def test_dinov2s_backbones_are_read_as_timm_reads_them(name: str, tmp_path: Path) -> None:
    network = timm.create_model(name, num_classes=0, img_size=56, depth=2).eval()
    state = {key: torch.randn_like(value) * 0.05 for key, value in network.state_dict().items()}
    if "reg_token" in state:  # the published file has positions for [CLS], and other names
        state["register_tokens"] = state.pop("reg_token")
        state["pos_embed"] = torch.randn(1, 17, 384)
    state["mask_token"] = torch.zeros(1, 384)
    network.load_state_dict(vision_transformer.checkpoint_filter_fn(dict(state), network))
    weights = read_weights(written({"teacher": prefixed("backbone.", state)}, tmp_path), Wanted())
    assert weights.backbone.options["depth"] == 2
    check_computes(weights, network, size=56)


def test_a_published_size_of_dinov2_is_called_by_its_name(tmp_path: Path) -> None:
    state = timm.create_model("vit_small_patch14_dinov2", num_classes=0).state_dict()
    weights = read_weights(written({**state, "mask_token": torch.zeros(1, 384)}, tmp_path), Wanted())
    assert weights.backbone == BackboneConfig(name="vit_small_patch14_dinov2", options={}, drop_path_rate=0.0)


@pytest.mark.parametrize("with_bias", [False, True])
def test_dinov3_gives_its_class_token(with_bias: bool, tmp_path: Path) -> None:
    name = "vit_small_patch16_dinov3" + ("_qkvb" if with_bias else "")
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0, global_pool="token", depth=2).eval()
    state = {key: torch.randn_like(value) * 0.05 for key, value in network.state_dict().items()}
    published = {
        key.replace("reg_token", "storage_tokens")
        .replace("gamma_1", "ls1.gamma")
        .replace("gamma_2", "ls2.gamma"): value
        for key, value in state.items()
        if not key.endswith(("q_bias", "v_bias"))
    }
    for block in range(2):
        bias = torch.randn(3 * 384) if with_bias else torch.zeros(3 * 384)
        published[f"blocks.{block}.attn.qkv.bias"] = bias
        published[f"blocks.{block}.attn.qkv.bias_mask"] = torch.ones(3 * 384)
    published |= {"mask_token": torch.zeros(1, 384), "rope_embed.periods": torch.ones(16)}
    network.load_state_dict(eva.checkpoint_filter_fn(dict(published), network))
    weights = read_weights(written(published, tmp_path), Wanted())
    assert "left out" in weights.notes[-1]
    check_computes(weights, network, size=64)


def test_transformers_dinov2_and_its_folder_are_read(tmp_path: Path) -> None:
    network = tiny_vit(init_values=1.0)
    save_file(transformers_dinov2(network.state_dict()), tmp_path / "model.safetensors")
    check_computes(read_weights(tmp_path, Wanted()), network, size=32)


def test_a_folder_of_transformers_gives_heads_mean_and_std_and_may_be_in_parts(tmp_path: Path) -> None:
    network = tiny_vit(num_heads=6)
    state = transformers_vit(network.state_dict())
    names = sorted(state)
    parts = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    for file, part in parts.items():
        save_file({name: state[name].contiguous() for name in part}, tmp_path / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 6, "hidden_size": 192}))
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5] * 3, "image_std": [0.4] * 3})
    )
    weights = read_weights(tmp_path, Wanted())
    assert weights.normalisation == ((0.5,) * 3, (0.4,) * 3)
    check_computes(weights, network, size=32)
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(ValueError, match=r"lists 2 files, but b\.safetensors are missing beside it"):
        read_weights(tmp_path, Wanted())


def test_torchvisions_vit_computes_what_torchvisions_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torchvision_models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=5
    ).eval()
    path = written(network.state_dict(), tmp_path)
    network.heads = nn.Identity()  # type: ignore[assignment]
    check_computes(read_weights(path, Wanted()), network, size=32)


RESNET_FILES = {
    "torchvision": lambda s: s,
    "MoCo": lambda s: {
        "arch": "resnet18",
        "state_dict": {
            **prefixed("module.encoder_q.", s),
            **prefixed("module.encoder_k.", other(s)),
            "module.queue": torch.zeros(3, 3),
        },
    },
    "lightly's Sequential": lambda s: {
        "state_dict": {
            f"backbone.{number}.{name.partition('.')[2]}": value
            for name, value in s.items()
            if (
                number := {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}.get(
                    name.partition(".")[0]
                )
            )
            is not None
        }
    },
    "before counters of batches": lambda s: {k: v for k, v in s.items() if "num_batches" not in k},
}


@pytest.mark.parametrize("layout", RESNET_FILES)
def test_a_resnet_computes_what_torchvisions_does(layout: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torchvision_models.resnet18().eval()
    path = written(RESNET_FILES[layout](network.state_dict()), tmp_path, "weights.tar")
    network.fc = nn.Identity()  # type: ignore[assignment]
    weights = read_weights(path, Wanted())
    assert weights.backbone.name == "resnet18"
    check_computes(weights, network, size=64)


def test_a_resnet_with_the_small_stem_of_cifar_is_recognised(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torchvision_models.resnet18()
    network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    network.maxpool = nn.Identity()  # type: ignore[assignment]
    network.fc = nn.Identity()  # type: ignore[assignment]
    path = written({"state_dict": prefixed("backbone.", network.state_dict())}, tmp_path)
    weights = read_weights(path, Wanted())
    assert weights.backbone.name == "resnet18_small_stem"
    check_computes(weights, network.eval(), size=32)


def test_convnext_as_published_is_read_as_timm_reads_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model("convnext_tiny", num_classes=0).eval()
    published = {}
    for name, value in network.state_dict().items():
        plain = name.replace("stem.", "downsample_layers.0.").replace("head.norm.", "norm.")
        for stage in range(4):
            plain = plain.replace(f"stages.{stage}.downsample.", f"downsample_layers.{stage}.")
            plain = plain.replace(f"stages.{stage}.blocks.", f"stages.{stage}.")
        published[plain.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")] = value
    converted = convnext.checkpoint_filter_fn(dict(published), network)
    assert converted.keys() == network.state_dict().keys()
    weights = read_weights(written(published, tmp_path), Wanted())
    assert weights.backbone.name == "convnext_tiny"
    check_computes(weights, network, size=64)


def test_a_network_that_the_file_names_needs_no_guess(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model("resnet18d", num_classes=0).eval()
    weights = read_weights(
        written({"arch": "resnet18d", "state_dict": network.state_dict()}, tmp_path), Wanted()
    )
    check_computes(weights, network, size=64)
    path = written(network.state_dict(), tmp_path)
    with pytest.raises(ValueError, match=r"not recognised.*model\.architecture=resnet18d"):
        read_weights(path, Wanted())
    required = BackboneConfig(name="resnet18d", options={}, drop_path_rate=0.0)
    check_computes(read_weights(path, Wanted(required=required)), network, size=64)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.pop("norm.weight"), r"1 missing: norm\.weight"),
        (lambda s: s.update(extra=torch.zeros(3)), r"1 unexpected: extra"),
        (
            lambda s: s.update({"norm.weight": torch.full((192,), torch.nan)}),
            r"norm\.weight has values that are not num",
        ),
        (
            lambda s: s.update(pos_embed=torch.zeros(1, 12, 192)),
            r"pos_embed \[1, 12, 192\] is not of a square image",
        ),
    ],
)
def test_a_vit_that_is_not_whole_is_refused_by_name(change: Any, expected: str, tmp_path: Path) -> None:
    state = dict(tiny_vit().state_dict())
    change(state)
    with pytest.raises(ValueError, match=expected):
        read_weights(written(state, tmp_path), Wanted())


def test_a_wrong_architecture_is_answered_with_the_likely_one(tmp_path: Path) -> None:
    path = written(tiny_vit(img_size=48).state_dict(), tmp_path)
    required = BackboneConfig(name="vit_small_patch16_224", options={}, drop_path_rate=0.0)
    with pytest.raises(
        ValueError, match=r"pos_embed \[1, 37, 192\].*are those of vit_tiny_patch16_224 .*'img_size': 48"
    ):
        read_weights(path, Wanted(required=required))


def test_a_width_without_a_usual_number_of_heads_is_asked_about(tmp_path: Path) -> None:
    path = written(tiny_vit(embed_dim=48, num_heads=3).state_dict(), tmp_path)
    with pytest.raises(
        ValueError, match=r"width 48, whose number of attention heads does not show.*num_heads=6"
    ):
        read_weights(path, Wanted())
    assert read_weights(path, Wanted(options={"num_heads": 3})).backbone.options["num_heads"] == 3
