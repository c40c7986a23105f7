"""From a folder of images to embeddings on disk, in memory that does not grow with the folder."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import FeatureFunction
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.inference.reading import FolderDataset, ReadFile
from dino_pipeline.inference.writing import EmbeddingsFile, whole_or_absent, write_left_out
from dino_pipeline.ingestion.listing import SourceFile


class Embedded(NamedTuple):
    """What became of a folder's files."""

    num_images: int
    num_left_out: int


@torch.inference_mode()
def embed_files(
    files: list[SourceFile],
    function: FeatureFunction,
    transform: EvaluationTransformConfig,
    config: ExtractConfig,
    output: Path,
    left_out_file: Path,
    *,
    num_dimensions: int,
    max_pixels: int,
    metadata: dict[str, str],
    device: torch.device,
) -> Embedded:
    """Write an embedding of each image, in the order of the files, and a list of what is none.

    Args:
        files: of any kind; what is no whole image is left out.
        function: the network's.
        output: the Parquet file: path, sha256, embedding (float32, not normalised).
        left_out_file: the list: path, problem. It is there before `output` is.
        max_pixels: larger images are left out by their header.
        metadata: kept in the file's schema.

    Raises:
        ValueError: none of them is an image; nothing is written.
    """
    loader: DataLoader[ReadFile] = DataLoader(
        FolderDataset(files, transform, max_pixels=max_pixels),
        batch_size=config.batch_size,
        num_workers=config.num_workers,
        collate_fn=list,
    )
    left_out: list[tuple[str, str]] = []
    with whole_or_absent(output) as unfinished:
        written = EmbeddingsFile(unfinished, num_dimensions, metadata)
        # `disable=None`: no bar where nobody watches, as in a log file.
        with tqdm(total=len(files), desc="embed", unit=" files", disable=None, leave=False) as progress:
            for batch in loader:
                left_out += [(read.path, read.problem) for read in batch if read.crop is None]
                images = [read for read in batch if read.crop is not None]
                if images:
                    crops = torch.stack([read.crop for read in images])
                    embeddings = function(crops.to(device)).embedding.cpu().numpy()
                    for read, embedding in zip(images, embeddings, strict=True):
                        written.add(read.path, read.sha256, embedding)
                progress.update(len(batch))
        written.close()
        if not written.num_rows:
            raise ValueError(f"none of the {len(files):,} files is an image that can be read")
        write_left_out(left_out_file, left_out)
    return Embedded(written.num_rows, len(left_out))
