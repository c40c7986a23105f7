"""Segment one video from its first annotation: the protocol of DINO's eval_video_segmentation.py.

https://github.com/facebookresearch/dino/blob/main/eval_video_segmentation.py
"""

from collections import deque
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.image_files import read_rgb
from dino_pipeline.dino.evaluation.video_segmentation.config import VideoSegmentationConfig
from dino_pipeline.dino.evaluation.video_segmentation.propagation import label_map, propagate
from dino_pipeline.dino.evaluation.video_segmentation.videos import Labels, Video, read_first_annotation
from dino_pipeline.dino.features.evaluation_transform import normalise


@torch.inference_mode()
def segment(
    backbone: Backbone,
    video: Video,
    config: VideoSegmentationConfig,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device,
) -> Iterator[Labels]:
    """Yield a label map of each frame at the frame's own size. The first is the given annotation.

    Context is the first frame with its annotation, and the last frames with their propagated masks.

    Args:
        backbone: in evaluation mode, on the device.
        mean: per channel, as in training.
        std: per channel, as in training.

    Raises:
        ValueError: the first annotation shows no object, or frames are not whole patches.
    """
    annotation = read_first_annotation(video)
    first: tuple[Tensor, Tensor] | None = None
    last: deque[tuple[Tensor, Tensor]] = deque(maxlen=config.num_last_frames)
    for frame in video.frames:
        pixels = read_rgb(frame)
        height, width = resized_shape(pixels.shape[0], pixels.shape[1], config)
        resized = torch.from_numpy(cv2.resize(pixels, (width, height))).permute(2, 0, 1)[None]
        features = _unit_features(backbone, normalise(resized.to(device), mean, std))
        if first is None:
            first = features, _one_hot(annotation, features)
            yield annotation
            continue
        context = [first, *last]
        masks = propagate(
            features,
            torch.stack([context_features for context_features, _ in context]),
            torch.stack([context_masks for _, context_masks in context]),
            neighborhood_radius=config.neighborhood_radius,
            top_k=config.top_k,
            temperature=config.temperature,
        )
        last.append((features, masks))
        labels = label_map(masks, height, width).byte().cpu().numpy()
        yield _resize_nearest(labels, pixels.shape[0], pixels.shape[1])


def resized_shape(height: int, width: int, config: VideoSegmentationConfig) -> tuple[int, int]:
    """Height and width of a frame as input of the network."""
    size, multiple = config.frame_size, config.side_multiple
    if height > width:
        return size * height // width // multiple * multiple, size
    return size, size * width // height // multiple * multiple


def _unit_features(backbone: Backbone, images: Tensor) -> Tensor:
    """Patch features of one image, of length 1: [rows, columns, dim]."""
    if isinstance(backbone, ViTBackbone):
        height, width = images.shape[-2:]
        patch_height, patch_width = backbone.model.patch_embed.patch_size
        if height % patch_height or width % patch_width:
            raise ValueError(
                f"frames of {width}x{height} px are not made of whole patches of {patch_width}x{patch_height}: "
                "make video_segmentation.frame_size and side_multiple multiples of the patch"
            )
    return F.normalize(backbone.patch_tokens(images)[0], dim=-1)


def _one_hot(labels: Labels, features: Tensor) -> Tensor:
    """Masks [classes, rows, columns] of the labels at the resolution of the features."""
    # Counted before shrinking: a small object may have no patch, but keeps its number.
    num_classes = int(labels.max()) + 1
    small = torch.from_numpy(_resize_nearest(labels, features.shape[0], features.shape[1])).to(
        features.device
    )
    return F.one_hot(small.long(), num_classes).to(features.dtype).movedim(-1, 0)


def _resize_nearest(labels: Labels, height: int, width: int) -> Labels:
    return np.array(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))
