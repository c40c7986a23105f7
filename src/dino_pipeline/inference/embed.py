"""Embed a folder of images into a Parquet file. Memory does not grow with the folder."""

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images import UnreadableImageError
from dino_pipeline.dino.evaluation import compute
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import FeatureFunction, backbone_features
from dino_pipeline.dino.evaluation.features import Matrix
from dino_pipeline.dino.features.evaluation_transform import evaluation_crop
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.progress import Progress
from dino_pipeline.dino.weights.published import evaluation_transform
from dino_pipeline.inference.images import LeftOut, limits, listed, said_of
from dino_pipeline.inference.loading import Say, load_with_parameters
from dino_pipeline.ingestion.listing import SourceFile
from dino_pipeline.ingestion.reading import Limits, decode, read_bytes, said_of_problems

ROWS_AT_ONCE = 4096  # rows in memory, and in a row group


class EmbeddedFolder(NamedTuple):
    """The result of `embed_folder`."""

    num_images: int
    num_dimensions: int
    left_out_file: Path
    left_out: list[LeftOut]
    num_files: int


def embed_folder(
    images: Path,
    model: str,
    output: Path,
    *,
    recipe: str | None,
    overrides: Mapping[str, Any],
    project: Path | None,
    say: Say = lambda line: None,  # noqa: ARG005
) -> EmbeddedFolder:
    """Write the embedding of each image of a folder or an archive, in the order of the files' names.

    Args:
        images: a folder, searched with its subfolders, an archive, a list, or an image; files that are no whole image
            are left out.
        model: any name that `load_model` accepts.
        output: the Parquet file, which must not exist: path, sha256, embedding (float32, not normalised). The files
            that are left out are listed beside it, in <output>.left_out.csv: path, problem.
        recipe: the recipe whose values of `extract` prepare the images; None: the model's recipe.
        overrides: nested values that override the recipe's.
        project: the folder in which the model and the recipe are looked up; None outside of projects.
        say: receives a line for each thing that was guessed or left out.

    Raises:
        ValueError: the folder, the model or the recipe does not exist, the output exists, or the folder has no image.
    """
    if not images.exists():
        raise ValueError(f"{images} does not exist")
    if output.exists():
        raise ValueError(f"{output} already exists: remove it, or give another file")
    found, parameters = load_with_parameters(model, project, recipe=recipe, overrides=overrides, say=say)
    published, backbone = found.description, found.backbone
    config = from_dict(ExtractConfig, parameters["extract"])
    transform = evaluation_transform(published, resize=config.resize, crop=config.crop)
    device = compute.device()
    metadata = {
        "fingerprint": published.fingerprint,
        "network": found.network,
        "resize": str(config.resize),
        "crop": str(config.crop),
    }
    left_out_file = output.with_suffix(".left_out.csv")
    output.parent.mkdir(parents=True, exist_ok=True)
    outputs = [output, left_out_file]
    with (
        listed(images, parameters["ingest"], outputs=outputs, scratch=output.parent) as listing,
        compute.fixed_threads(config.num_threads),
        written_whole(output) as unfinished,
    ):
        said_of(listing, say)
        writer = EmbeddingsWriter(unfinished, backbone.num_features, metadata)
        left_out = _embed(
            FileCrops(listing.files, transform, limits(parameters["ingest"], transform.images)),
            backbone_features(backbone, transform, config, device=device),
            config,
            writer,
            device=device,
        )
        writer.close()
        if not writer.num_rows:
            such = said_of_problems([(file.name, file.problem) for file in left_out])
            raise ValueError(f"none of the {len(left_out):,} files is a readable image{such}")
        _write_left_out(left_out_file, left_out)  # before the embeddings appear
    return EmbeddedFolder(writer.num_rows, backbone.num_features, left_out_file, left_out, len(listing.files))


@torch.inference_mode()
def _embed(
    files: "FileCrops",
    function: FeatureFunction,
    config: ExtractConfig,
    writer: "EmbeddingsWriter",
    *,
    device: torch.device,
) -> list[LeftOut]:
    """Write all embeddings. Returns the files that are left out, each with its problem."""
    loader: DataLoader[FileCrop] = DataLoader(
        files, batch_size=config.batch_size, num_workers=config.num_workers, collate_fn=list
    )
    left_out: list[LeftOut] = []
    with Progress("embed", total=len(files), unit="files") as progress:
        for batch in loader:
            left_out += [LeftOut(file.path, file.problem) for file in batch if file.crop is None]
            images = [file for file in batch if file.crop is not None]
            if images:
                crops = torch.stack([file.crop for file in images])
                embeddings = function(crops.to(device)).embedding.cpu().numpy()
                for file, embedding in zip(images, embeddings, strict=True):
                    writer.add(file.path, file.sha256, embedding)
            progress.update(len(batch))
    return left_out


class FileCrop(NamedTuple):
    """A file's crop, uint8 or uint16 [channels, crop, crop], or the reason why it has none."""

    path: str  # relative to the folder
    sha256: str  # of the encoded bytes; "" if they could not be read
    crop: Tensor | None
    problem: str


class FileCrops(Dataset[FileCrop]):
    """The files of a listing, in its order. A file that cannot be embedded gives its problem and raises nothing."""

    def __init__(self, files: list[SourceFile], transform: EvaluationTransformConfig, limits: Limits) -> None:
        self.files = files
        self.transform = transform
        self.limits = limits

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> FileCrop:
        file = self.files[index]
        sha256 = ""
        try:
            data = read_bytes(file, self.limits)
            sha256 = hashlib.sha256(data).hexdigest()
            crop = evaluation_crop(decode(data, self.limits), self.transform)
        except UnreadableImageError as error:
            return FileCrop(file.name, sha256, None, str(error))
        return FileCrop(file.name, sha256, crop, "")


class EmbeddingsWriter:
    """Collects rows and writes them to a Parquet file group by group."""

    def __init__(self, path: Path, num_dimensions: int, metadata: Mapping[str, str]) -> None:
        self._num_dimensions = num_dimensions
        self._schema = pa.schema(
            [
                ("path", pa.string()),
                ("sha256", pa.string()),
                ("embedding", pa.list_(pa.float32(), num_dimensions)),
            ],
            metadata=dict(metadata),
        )
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[tuple[str, str, Matrix]] = []
        self.num_rows = 0

    def add(self, path: str, sha256: str, embedding: Matrix) -> None:
        """Add an image; float32 [dimensions]."""
        self._rows.append((path, sha256, embedding))
        self.num_rows += 1
        if len(self._rows) == ROWS_AT_ONCE:
            self._write_group()

    def close(self) -> None:
        """Write the remaining rows."""
        if self._rows:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        paths, hashes, embeddings = zip(*self._rows, strict=True)
        values = pa.FixedSizeListArray.from_arrays(
            pa.array(np.concatenate(embeddings), pa.float32()), self._num_dimensions
        )
        columns = [pa.array(paths, pa.string()), pa.array(hashes, pa.string()), values]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows.clear()


def _write_left_out(path: Path, left_out: list[LeftOut]) -> None:
    with written_whole(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "problem"])
        writer.writerows((file.name, file.problem) for file in left_out)
