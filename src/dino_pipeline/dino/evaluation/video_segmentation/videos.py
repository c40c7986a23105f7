"""A folder of annotated videos in DAVIS's layout (https://davischallenge.org, Pont-Tuset et al., arXiv:1704.00675).

Masks are indexed PNG files, which DAVIS's own tools read.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dino_pipeline.dino.evaluation.video_segmentation.config import VideoSegmentationConfig
from dino_pipeline.dino.tables.reading import read_text

Labels = NDArray[np.uint8]  # [height, width]: 0 is background, objects count from 1

VOID = 255  # marks pixels without a label; DAVIS's semi-supervised scores count them as background


class Video(NamedTuple):
    """Frames in order, and the annotation of each."""

    name: str
    frames: tuple[Path, ...]
    annotations: tuple[Path, ...]


def list_videos(folder: Path, config: VideoSegmentationConfig) -> list[Video]:
    """The videos that the image set names, in its order.

    Raises:
        ValueError: the folder does not have DAVIS's layout, a name points out of it, or frames or annotations are
            missing.
    """
    image_set = folder / "ImageSets" / f"{config.image_set}.txt"
    if not image_set.is_file():
        raise ValueError(
            f"video_segmentation.folder {folder} has no ImageSets/{config.image_set}.txt: give a folder in the "
            "layout of DAVIS, and an image_set that it contains"
        )
    names = [line.strip() for line in read_text(image_set).splitlines() if line.strip()][: config.max_videos]
    if not names:
        raise ValueError(f"{image_set} lists no video: write one name per line")
    return [_video(folder, name, config.resolution) for name in names]


def read_annotation(file: Path) -> Labels:
    """The object number of each pixel.

    Raises:
        ValueError: the image is not indexed, or it cannot be read.
    """
    try:
        with Image.open(file) as image:
            if image.mode not in ("P", "L"):
                raise ValueError(
                    f"{file} has mode {image.mode}: an annotation must be an indexed PNG whose pixels are object "
                    "numbers"
                )
            labels = np.array(image)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{file} cannot be read ({error}): restore it") from error
    labels[labels == VOID] = 0
    return labels


def read_first_annotation(video: Video) -> Labels:
    """The annotation of the first frame, which gets propagated.

    Raises:
        ValueError: it shows no object.
    """
    labels = read_annotation(video.annotations[0])
    if not labels.any():
        raise ValueError(
            f"{video.annotations[0]} shows no object: number them from 1 (255 is void; DAVIS 2016 draws its one "
            "object with it)"
        )
    return labels


def _video(folder: Path, name: str, resolution: str) -> Video:
    if name in (".", "..") or "/" in name or "\\" in name:  # it also becomes the name of an output folder
        raise ValueError(
            f"the image set lists the video {name!r}: a name must be that of one folder, without / or \\"
        )
    frames = sorted((folder / "JPEGImages" / resolution / name).glob("*.jpg"))
    if len(frames) < 3:
        raise ValueError(
            f"{folder / 'JPEGImages' / resolution / name} has {len(frames)} .jpg frames, but a video needs at "
            "least three, because the first and the last are not scored"
        )
    annotations = [folder / "Annotations" / resolution / name / f"{frame.stem}.png" for frame in frames]
    if not annotations[0].is_file():
        raise ValueError(
            f"{annotations[0]} is missing, but the first frame's annotation is needed: it is propagated to the others"
        )
    missing = [file for file in annotations if not file.is_file()]
    if missing:
        raise ValueError(
            f"{missing[0]} is missing ({len(missing)} of {len(frames)} in {name}), but every frame needs an "
            "annotation"
        )
    return Video(name, tuple(frames), tuple(annotations))


def write_indexed(labels: Labels, file: Path) -> None:
    """Write object numbers [height, width] in PASCAL VOC's colours, which DAVIS uses."""
    image = Image.fromarray(labels).convert("P")
    image.putpalette(palette().tobytes())
    image.save(file)


def palette() -> NDArray[np.uint8]:
    """RGB [256, 3]: bits 0, 1, 2 of a number are the highest bits of red, green, blue, bits 3, 4, 5 the next, ..."""
    numbers = np.arange(256)[:, None]
    colors = np.zeros((256, 3), np.uint8)
    for place in range(3):
        colors |= (((numbers >> (3 * place + np.arange(3))) & 1) << (7 - place)).astype(np.uint8)
    return colors
