"""Retrieval on a labelled manifest: held-out images search its train split for images of their class."""

from functools import partial

import torch
from torch import Tensor

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.descriptors import describe_images
from dino_pipeline.dino.evaluation.networks import Networks
from dino_pipeline.dino.evaluation.retrieval.config import RetrievalConfig
from dino_pipeline.dino.evaluation.retrieval.search import Criterion, Searched, multi_scale_descriptor
from dino_pipeline.dino.features.evaluation_transform import EvaluationDataset

SAME_CLASS = "same_class"


def query_split(manifest: Manifest, config: RetrievalConfig) -> str:
    """The split of the queries: the configured one, or test, or val if test has no images."""
    if config.query_split is not None:
        return config.query_split
    return "test" if len(manifest.split("test")) else "val"


def why_not(manifest: Manifest, split: str) -> str | None:
    """Why queries of this split cannot search the train split; None if they can."""
    for name in ("train", split):
        images = manifest.split(name)
        if len(images) == 0:
            return f"the split {name} has no images"
        if not images.is_labelled:
            return (
                f"{images.table['label'].null_count:,} of the {len(images):,} images of {name} have no label"
            )
    return None


def describe_labelled(
    manifest: Manifest,
    split: str,
    networks: Networks,
    config: RetrievalConfig,
    extract: ExtractConfig,
    *,
    device: torch.device,
) -> Searched:
    """Describe the images of a split and of train."""
    queries, gallery = manifest.split(split), manifest.split("train")
    query_descriptors, gallery_descriptors = (
        describe_images(
            EvaluationDataset(images, networks.transform),
            len(images),
            networks,
            partial(multi_scale_descriptor, scales=config.scales),
            extract,
            batch_size=extract.batch_size,
            device=device,
        )
        for images in (queries, gallery)
    )
    return Searched(
        queries=queries,
        gallery=gallery,
        query_descriptors=query_descriptors,
        gallery_descriptors=gallery_descriptors,
        criteria={SAME_CLASS: same_class(queries, gallery)},
    )


def same_class(queries: Manifest, gallery: Manifest) -> Criterion:
    """An image is relevant if it has the query's label; nothing is junk."""
    classes = gallery.class_names
    wanted, labels = (torch.from_numpy(images.label_indices(classes)) for images in (queries, gallery))

    def relevant(chunk: slice) -> Tensor:
        return wanted[chunk, None] == labels

    return Criterion(relevant, lambda chunk: torch.zeros_like(relevant(chunk)))
