"""Files of a folder as crops for a network, or as the reason why there is none."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from torch.utils.data import Dataset

from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import UnreadableImageError
from dino_pipeline.dino.features.evaluation_transform import evaluation_crop
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.ingestion.listing import SourceFile


class ReadFile(NamedTuple):
    """A file that was read: a crop [channels, crop, crop] of uint8 or uint16, or the problem with it."""

    path: str  # relative to the folder
    sha256: str  # of the encoded bytes; "" where they could not be read
    crop: Tensor | None
    problem: str


class FolderDataset(Dataset[ReadFile]):
    """Each file of a listing, in its order; what cannot be embedded is told and raises nothing."""

    def __init__(
        self, files: list[SourceFile], transform: EvaluationTransformConfig, *, max_pixels: int
    ) -> None:
        self.files = files
        self.transform = transform
        self.max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> ReadFile:
        file = self.files[index]
        if file.problem:
            return ReadFile(file.name, "", None, file.problem)
        try:
            data = Path(file.path).read_bytes()
        except OSError as error:
            return ReadFile(file.name, "", None, f"cannot be read: {error.strerror}")
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            image = decode_image(data, self.transform.images, max_pixels=self.max_pixels)
        except UnreadableImageError as error:
            return ReadFile(file.name, sha256, None, str(error))
        return ReadFile(file.name, sha256, evaluation_crop(image, self.transform), "")
