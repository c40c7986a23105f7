"""A video is followed as the published program follows it."""

import dataclasses
from collections import deque

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.video_segmentation.segmentation import resized_shape, segment
from dino_pipeline.dino.evaluation.video_segmentation.videos import list_videos, read_annotation

VIT = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 3}
COLORS = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}


def build(name="vit_tiny_patch16_224", options=VIT):
    torch.manual_seed(0)
    return build_backbone(BackboneConfig(name=name, options=options, drop_path_rate=0.0)).eval()


def run(backbone, video, config):
    return list(segment(backbone, video, config, **COLORS, device=torch.device("cpu")))


def published_loop(backbone, video, config):
    """The published program's steps, with dense affinities between all patches of all frames."""
    annotation = read_annotation(video.annotations[0])
    num_classes = annotation.max() + 1
    mean, std = (torch.tensor(COLORS[name])[None, :, None, None] for name in ("mean", "std"))
    queue, results = deque(maxlen=config.num_last_frames), [annotation]
    for index, frame in enumerate(video.frames):
        image = cv2.resize(decode_rgb(frame.read_bytes()), (48, 32))  # 70 x 40 at short side 32, long rounded
        pixels = (torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 - mean) / std
        with torch.no_grad():
            tokens = F.normalize(backbone.patch_tokens(pixels)[0].flatten(0, 1), dim=1)
        if index == 0:
            small = np.array(Image.fromarray(annotation).resize((12, 8), Image.Resampling.NEAREST))
            masks = torch.eye(num_classes)[torch.from_numpy(small.astype(int))].flatten(0, 1)
            first = (tokens, masks)
            continue
        keys, values = (torch.cat(parts) for parts in zip(first, *queue, strict=True))
        affinity = torch.exp(tokens @ keys.T / config.temperature)
        rows, columns = torch.arange(8).repeat_interleave(12), torch.arange(12).repeat(8)
        radius = config.neighborhood_radius
        near = ((rows[:, None] - rows).abs() <= radius) & ((columns[:, None] - columns).abs() <= radius)
        affinity *= near.repeat(1, len(keys) // 96)
        affinity[affinity < affinity.topk(config.top_k, dim=1).values.amin(dim=1, keepdim=True)] = 0
        masks = affinity / affinity.sum(dim=1, keepdim=True) @ values
        queue.append((tokens, masks))
        large = F.interpolate(masks.T.view(1, -1, 8, 12), scale_factor=4, mode="bilinear")[0]
        for mask in large:
            if mask.max() > 0:
                mask -= mask.min().clone()
                mask /= mask.max().clone()
        labels = large.argmax(dim=0).byte().numpy()
        results.append(np.array(Image.fromarray(labels).resize((70, 40), Image.Resampling.NEAREST)))
    return results


def test_label_maps_are_those_of_the_published_steps(davis, config):
    backbone = build()
    for video in list_videos(davis, config):
        for ours, theirs in zip(
            run(backbone, video, config), published_loop(backbone, video, config), strict=True
        ):
            assert ours.dtype == np.uint8
            assert (ours != theirs).mean() < 0.001  # ties of float32 may round apart


def test_the_first_label_map_is_the_annotation_and_all_have_the_frames_size(davis, config):
    video = list_videos(davis, config)[0]
    labels = run(build(), video, config)
    np.testing.assert_array_equal(labels[0], read_annotation(video.annotations[0]))
    assert {image.shape for image in labels} == {(40, 70)}
    assert len(labels) == 5


def test_without_last_frames_each_frame_looks_at_the_first_alone(davis, config):
    alone = dataclasses.replace(config, num_last_frames=0)
    video = list_videos(davis, config)[0]
    shortened = video._replace(frames=video.frames[:1] + video.frames[3:])
    np.testing.assert_array_equal(run(build(), video, alone)[3:], run(build(), shortened, alone)[1:])


def test_a_small_object_keeps_its_number(davis, config, annotations):
    file = annotations / "one-square/00000.png"
    labels = np.array(Image.open(file))
    labels[39, 69] = 2  # no patch's centre
    Image.fromarray(labels).save(file)
    video = list_videos(davis, config)[1]
    assert run(build(), video, config)[0].max() == 2
    assert max(image.max() for image in run(build(), video, config)[1:]) == 1


def test_a_convnets_feature_map_serves(davis, config):
    labels = run(build("resnet10t", {}), list_videos(davis, config)[0], config)
    assert {image.shape for image in labels} == {(40, 70)}


@pytest.mark.parametrize(
    ("shape", "expected"), [((480, 854), (480, 832)), ((854, 480), (832, 480)), ((480, 480), (480, 448))]
)
def test_frames_are_resized_as_the_published_program_does(config, shape, expected):
    assert resized_shape(*shape, dataclasses.replace(config, frame_size=480, side_multiple=64)) == expected


def test_frames_that_are_not_whole_patches_are_refused(davis, config):
    with pytest.raises(ValueError, match="frames of 55x34 px are not made of whole patches of 4x4"):
        run(
            build(),
            list_videos(davis, config)[0],
            dataclasses.replace(config, frame_size=34, side_multiple=5),
        )
