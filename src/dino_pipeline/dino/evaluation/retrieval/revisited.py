"""Revisited Oxford and Paris: easy, medium and hard (Radenović et al., CVPR 2018, arXiv:1803.11285)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.descriptors import describe_images
from dino_pipeline.dino.evaluation.image_files import named_images
from dino_pipeline.dino.evaluation.networks import Networks
from dino_pipeline.dino.evaluation.retrieval.config import RevisitedConfig
from dino_pipeline.dino.evaluation.retrieval.ground_truth import GroundTruth, Positions, read_ground_truth
from dino_pipeline.dino.evaluation.retrieval.search import Criterion, Searched, multi_scale_descriptor


class RevisitedImages(Dataset[Tensor]):
    """Images in their own shape: uint8 [3, H, W], shrunk to a maximum longer side."""

    def __init__(self, images: Manifest, longer_side: int, boxes: NDArray[np.float64] | None = None) -> None:
        self.images = images
        self.longer_side = longer_side
        self.boxes = boxes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        image = Image.fromarray(decode_rgb(self.images.read_bytes(index)))
        if self.boxes is not None:
            image = image.crop(tuple(self.boxes[index]))
        image.thumbnail((self.longer_side, self.longer_side), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def read_revisited(name: str, folder: Path) -> tuple[GroundTruth, Manifest, Manifest]:
    """The ground truth, the queries and the gallery of gnd_<name>.pkl and jpg/.

    Raises:
        ValueError: the ground truth cannot be used, or an image that it lists is missing.
    """
    truth = read_ground_truth(folder / f"gnd_{name}.pkl")
    queries, gallery = (
        named_images(folder / "jpg", [f"{image}.jpg" for image in images])
        for images in (truth.queries, truth.images)
    )
    return truth, queries, gallery


def describe_revisited(
    name: str,
    folder: Path,
    networks: Networks,
    config: RevisitedConfig,
    extract: ExtractConfig,
    *,
    device: torch.device,
) -> Searched:
    """Read a data set and describe its images.

    Raises:
        ValueError: as in `read_revisited`.
    """
    truth, queries, gallery = read_revisited(name, folder)
    descriptors = [
        describe_images(
            RevisitedImages(images, config.image_size, boxes),
            len(images),
            networks,
            partial(multi_scale_descriptor, scales=config.scales),
            extract,
            batch_size=1,  # each image has its own shape
            device=device,
        )
        for images, boxes in ((queries, truth.boxes if config.crop_queries else None), (gallery, None))
    ]
    return Searched(
        queries=queries,
        gallery=gallery,
        query_descriptors=descriptors[0],
        gallery_descriptors=descriptors[1],
        criteria=protocols(truth),
    )


def protocols(truth: GroundTruth) -> dict[str, Criterion]:
    """The relevant and junk images of easy, medium and hard."""
    easy, hard, junk = (_mask(positions, truth) for positions in (truth.easy, truth.hard, truth.junk))
    masks = {"easy": (easy, junk | hard), "medium": (easy | hard, junk), "hard": (hard, junk | easy)}
    return {
        name: Criterion(relevant.__getitem__, ignored.__getitem__)
        for name, (relevant, ignored) in masks.items()
    }


def _mask(positions: Sequence[Positions], truth: GroundTruth) -> Tensor:
    mask = torch.zeros(len(truth.queries), len(truth.images), dtype=torch.bool)
    for row, images in zip(mask, positions, strict=True):
        row[torch.from_numpy(images)] = True
    return mask
