"""Segment videos with several networks, write the masks, and score each object as DAVIS 2017's tools do.

Region similarity J and contour accuracy F (Perazzi et al., CVPR 2016), as in its semi-supervised track:
https://github.com/davisvideochallenge/davis2017-evaluation
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation.video_segmentation.config import VideoSegmentationConfig
from dino_pipeline.dino.evaluation.video_segmentation.segmentation import segment
from dino_pipeline.dino.evaluation.video_segmentation.videos import (
    Labels,
    Video,
    read_annotation,
    write_indexed,
)
from dino_pipeline.dino.progress import Progress

Mask = NDArray[np.bool_]  # [height, width]

_TOLERANCE = 0.008  # largest distance between matching contours, relative to the diagonal


class Statistics(NamedTuple):
    """Statistics of one object's values over the frames of a video."""

    mean: float
    recall: float  # share of frames above 0.5
    decay: float  # mean of the first quarter minus mean of the last


def region_similarity(predicted: Mask, annotated: Mask) -> float:
    """J: intersection over union; 1 if both are empty."""
    union = np.count_nonzero(predicted | annotated)
    return np.count_nonzero(predicted & annotated) / union if union else 1.0


def contour_accuracy(predicted: Mask, annotated: Mask) -> float:
    """F: harmonic mean of the contours' precision and recall. A contour pixel matches if the other contour is near.

    If only one of both has a contour, F is 0; if neither has one, F is 1.
    """
    ours, theirs = boundary(predicted), boundary(annotated)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    radius = int(np.ceil(_TOLERANCE * np.linalg.norm(predicted.shape)))
    disk = _disk(radius)
    precision = np.count_nonzero(ours & _dilated(theirs, disk)) / np.count_nonzero(ours)
    recall = np.count_nonzero(theirs & _dilated(ours, disk)) / np.count_nonzero(theirs)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary(mask: Mask) -> Mask:
    """Pixels that differ from their neighbour to the right, below or at the lower right.

    Beyond the border, the last pixels repeat.
    """
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    inside = padded[:-1, :-1]
    found: Mask = (inside ^ padded[:-1, 1:]) | (inside ^ padded[1:, :-1]) | (inside ^ padded[1:, 1:])
    return found


def statistics(values: NDArray[np.float64]) -> Statistics:
    """Mean, recall and decay of values [frames]. As in DAVIS, quarters share the frame between them."""
    edges = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[: edges[1] + 1], values[edges[3] :]
    return Statistics(float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean()))


def _disk(radius: int) -> NDArray[np.uint8]:
    offsets = np.arange(-radius, radius + 1) ** 2
    return (offsets[:, None] + offsets <= radius**2).astype(np.uint8)


def _dilated(mask: Mask, disk: NDArray[np.uint8]) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), disk).astype(np.bool_)


class ObjectScore(NamedTuple):
    """The score of one network for one object in one video."""

    network: str
    video: str
    object: int
    j_mean: float
    j_recall: float
    j_decay: float
    f_mean: float
    f_recall: float
    f_decay: float


def segment_and_score(
    backbones: Mapping[str, Backbone],
    videos: Sequence[Video],
    config: VideoSegmentationConfig,
    *,
    folder: Path,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device,
) -> list[ObjectScore]:
    """Write <folder>/<network>/<video>/<frame>.png, and score each object of each video for each network.

    Raises:
        ValueError: an annotation has another size than its frame.
    """
    num_frames = len(backbones) * sum(len(video.frames) for video in videos)
    scores = []
    with Progress("segment videos", total=num_frames, unit="frames") as progress:
        for network, backbone in backbones.items():
            for video in videos:
                masks = folder / network / video.name
                masks.mkdir(parents=True)
                values = []
                predictions = segment(backbone, video, config, mean=mean, std=std, device=device)
                for index, (labels, file) in enumerate(zip(predictions, video.annotations, strict=True)):
                    write_indexed(labels, masks / file.name)
                    if index == 0:
                        num_objects = int(labels.max())
                    elif (
                        index < len(video.frames) - 1
                    ):  # the first frame is given; DAVIS also leaves out the last
                        values.append(_frame_values(labels, file, num_objects))
                    progress.update()
                scores += _object_scores(network, video.name, np.array(values))
    return scores


def summarise(scores: Sequence[ObjectScore]) -> dict[str, Any]:
    """The means over all objects by network, with J&F first; and J&F of each video."""
    summary: dict[str, Any] = {"networks": {}, "videos": {}}
    for network in dict.fromkeys(score.network for score in scores):
        own = [score for score in scores if score.network == network]
        means = {name: float(np.mean([getattr(score, name) for score in own])) for name in own[0]._fields[3:]}
        summary["networks"][network] = {"j_and_f": (means["j_mean"] + means["f_mean"]) / 2, **means}
        summary["videos"][network] = {
            video: float(
                np.mean([(score.j_mean + score.f_mean) / 2 for score in own if score.video == video])
            )
            for video in dict.fromkeys(score.video for score in own)
        }
    return summary


def write_scores(scores: Sequence[ObjectScore], file: Path) -> None:
    """Write one row per object."""
    with file.open("w", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(ObjectScore._fields)
        writer.writerows(scores)


def _frame_values(labels: Labels, file: Path, num_objects: int) -> list[tuple[float, float]]:
    """J and F of each object in one frame."""
    annotation = read_annotation(file)
    if annotation.shape != labels.shape:
        raise ValueError(f"{file} has {annotation.shape[::-1]} px, but its frame has {labels.shape[::-1]}")
    masks = [(labels == number, annotation == number) for number in range(1, num_objects + 1)]
    return [(region_similarity(*pair), contour_accuracy(*pair)) for pair in masks]


def _object_scores(network: str, video: str, values: np.ndarray) -> list[ObjectScore]:
    """Scores from J and F by frame and object, [frames, objects, 2]."""
    return [
        ObjectScore(network, video, number, *statistics(of_object[:, 0]), *statistics(of_object[:, 1]))
        for number, of_object in enumerate(values.swapaxes(0, 1), start=1)
    ]
