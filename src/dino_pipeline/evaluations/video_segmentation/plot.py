"""Plot frames of videos with their propagated masks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from dino_pipeline.dino.evaluation.image_files import read_rgb
from dino_pipeline.dino.evaluation.video_segmentation.config import VideoSegmentationConfig
from dino_pipeline.dino.evaluation.video_segmentation.videos import Labels, Video, palette, read_annotation
from dino_pipeline.plotting.grids import rasterised

_OPACITY = 0.6


def picture(videos: Sequence[Video], masks: Path, config: VideoSegmentationConfig) -> Image.Image:
    """For each video a row of annotated frames and one row per network, from the first frame to the last.

    Args:
        masks: <masks>/<network>/<video>/<frame>.png are the label maps.
    """
    num_frames = config.picture.num_frames
    sources = ["annotation", *config.networks]
    num_rows = len(videos) * len(sources)
    figure = Figure(figsize=(2.4 * num_frames, 1.5 * num_rows), dpi=100, layout="tight")
    grid = figure.subplots(num_rows, num_frames, squeeze=False)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    rows = iter(grid)
    for video in videos:
        shown = np.linspace(0, len(video.frames) - 1, num_frames).round().astype(int)
        for source, row in zip(sources, rows, strict=False):
            row[0].set_ylabel(f"{video.name}\n{source}", fontsize=7)
            for axes, index in zip(row, shown, strict=True):
                annotation = video.annotations[index]
                file = annotation if source == "annotation" else masks / source / video.name / annotation.name
                axes.imshow(overlay(read_rgb(video.frames[index]), read_annotation(file)))
                if source == "annotation":
                    axes.set_title(video.frames[index].stem, fontsize=7)
    return rasterised(figure)


def overlay(frame: NDArray[np.uint8], labels: Labels) -> NDArray[np.uint8]:
    """The frame [height, width, 3] with each object in its colour. The background stays."""
    colored = (1 - _OPACITY) * frame + _OPACITY * palette()[labels]
    return np.where(labels[..., None] > 0, colored.round().astype(np.uint8), frame)
