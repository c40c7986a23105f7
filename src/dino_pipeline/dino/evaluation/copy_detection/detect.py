"""Measure copy detection: mean average precision of each attack, whitened and unwhitened, for every network."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.copy_detection.config import CopyDetectionConfig, OtherImagesConfig
from dino_pipeline.dino.evaluation.copy_detection.copydays import Copydays, kind
from dino_pipeline.dino.evaluation.copy_detection.descriptor import (
    SqueezedImages,
    copy_descriptor,
    learn_whitening,
)
from dino_pipeline.dino.evaluation.descriptors import describe_images
from dino_pipeline.dino.evaluation.image_files import images_in, readable
from dino_pipeline.dino.evaluation.networks import Networks
from dino_pipeline.dino.evaluation.table import aligned
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.dino.progress import with_progress


def original_ranks(copies: Tensor, originals: Tensor, gallery: Tensor) -> Tensor:
    """Places, counted from 1, of the copies' originals in the whole gallery: int64 [copies].

    Args:
        copies: unit vectors [copies, dim].
        originals: int64 [copies], the position of each copy's original in the gallery.
        gallery: unit vectors [gallery, dim]; ties rank by position.
    """
    similarities = copies @ gallery.T
    wanted = originals.unsqueeze(1)
    own = similarities.gather(1, wanted)
    earlier = torch.arange(len(gallery), device=gallery.device) < wanted
    return 1 + ((similarities > own) | ((similarities == own) & earlier)).sum(dim=1)


def average_precision_of_one(ranks: Tensor, *, depth: int) -> Tensor:
    """Average precision of searches with one relevant image: float64 [searches].

    The trapezoid of the Holidays and Copydays evaluation has precision 0 on its left side, unless the image is first.

    Args:
        ranks: place of the image in each search, from 1.
        depth: later places score 0.
    """
    area = torch.where(ranks == 1, 1.0, 1 / (2 * ranks.double()))
    return torch.where(ranks <= depth, area, 0.0)


Ranks = dict[str, Tensor]  # by attack: int64 [copies], places from 1


class Detected(NamedTuple):
    """The report, and the places of the copies' originals in the teacher's whitened search."""

    report: dict[str, Any]
    teacher_ranks: Ranks


class OtherImages(NamedTuple):
    """Images from outside the data set."""

    whitening: Manifest
    distractors: Manifest | None


def other_images(manifest: Manifest, config: CopyDetectionConfig, *, root: Path) -> OtherImages:
    """Choose the images to learn whitening on, and the distractors.

    Args:
        root: start of relative paths.

    Raises:
        ValueError: a folder or split has no images, or whitening has fewer than two.
    """
    whitening = _chosen("whitening.images", manifest, config.whitening.images, root)
    if whitening is None or len(whitening) < 2:
        raise ValueError("copy_detection.whitening.images: whitening needs two images or more")
    return OtherImages(whitening, _chosen("distractors", manifest, config.distractors, root))


def detect(
    copydays: Copydays,
    others: OtherImages,
    networks: Networks,
    config: CopyDetectionConfig,
    extract: ExtractConfig,
    *,
    device: torch.device,
) -> Detected:
    """Measure every network, in shares in [0, 1].

    Returns:
        the report has `whitened` and `unwhitened: {network: {strong, jpegqual, jpegqual/5, ...}}`, each the mean
        average precision of those copies; `image_size`, `num_originals`, `num_copies` by attack, `num_distractors`,
        `num_whitening_images`, `dimensions`, and `notes`: remarks for the reader.
    """

    image_size = config.image_size or extract.crop

    def describe(images: Manifest) -> dict[str, Tensor]:
        return describe_images(
            SqueezedImages(images, image_size),
            len(images),
            networks,
            partial(copy_descriptor, power=config.gem_power),
            extract,
            batch_size=extract.batch_size,
            device=device,
        )

    originals = describe(copydays.originals)
    distractors = describe(others.distractors) if others.distractors is not None else {}
    learned_on = describe(others.whitening)
    copies = {attack: describe(copies.images) for attack, copies in copydays.attacks.items()}
    positions = {
        attack: torch.tensor(copies.originals, device=device) for attack, copies in copydays.attacks.items()
    }
    report: dict[str, Any] = {"whitened": {}, "unwhitened": {}}
    teacher_ranks: Ranks = {}
    for name in with_progress(list(networks.backbones), "search copies", unit="networks"):
        gallery = torch.cat([part[name] for part in (originals, distractors) if part]).to(device)
        queries = {attack: part[name].to(device) for attack, part in copies.items()}
        ranks = _search(queries, positions, gallery)
        report["unwhitened"][name] = _mean_average_precisions(ranks, depth=config.depth)
        whitening = learn_whitening(
            learned_on[name].to(device), eigenvalue_floor=config.whitening.eigenvalue_floor
        )
        ranks = _search(
            {attack: whitening(part) for attack, part in queries.items()}, positions, whitening(gallery)
        )
        report["whitened"][name] = _mean_average_precisions(ranks, depth=config.depth)
        if name == "teacher":
            teacher_ranks = {attack: places.cpu() for attack, places in ranks.items()}
    dimensions = originals["teacher"].shape[1]
    report |= {
        "image_size": image_size,
        "num_originals": len(copydays.originals),
        "num_copies": {attack: len(part.images) for attack, part in copydays.attacks.items()},
        "num_distractors": len(others.distractors) if others.distractors is not None else 0,
        "num_whitening_images": len(others.whitening),
        "dimensions": dimensions,
        "notes": _notes(len(others.whitening), dimensions),
    }
    return Detected(report, teacher_ranks)


def _chosen(key: str, manifest: Manifest, config: OtherImagesConfig, root: Path) -> Manifest | None:
    if config.folder is not None:
        images = images_in(root / Path(config.folder).expanduser())
        return readable(images.take(evenly_spaced(len(images), config.num_images)))
    if config.split is not None:
        images = manifest.split(config.split)
        if len(images) == 0:
            raise ValueError(f"copy_detection.{key}.split: {config.split} has no images: give another split")
    else:
        return None
    return images.take(evenly_spaced(len(images), config.num_images))


def _search(queries: dict[str, Tensor], positions: dict[str, Tensor], gallery: Tensor) -> Ranks:
    unit = F.normalize(gallery, dim=1)
    return {
        attack: original_ranks(F.normalize(part, dim=1), positions[attack], unit)
        for attack, part in queries.items()
    }


def _mean_average_precisions(ranks: Ranks, *, depth: int) -> dict[str, float]:
    """Mean of each kind of attack over all its strengths, then of each strength."""
    scores = {attack: average_precision_of_one(places, depth=depth) for attack, places in ranks.items()}
    by_kind: dict[str, list[Tensor]] = {}
    for attack, values in scores.items():
        by_kind.setdefault(kind(attack), []).append(values)
    groups = {name: torch.cat(values) for name, values in by_kind.items()} | scores
    return {name: float(values.mean()) for name, values in groups.items()}


def _notes(num_images: int, dimensions: int) -> list[str]:
    if num_images > dimensions:
        return []
    return [
        f"whitening was learned on {num_images:,} images for {dimensions:,} dimensions, which needs more images"
    ]


def copy_detection_table(report: dict[str, Any]) -> str:
    """Mean average precision in percent: one row per network and descriptor, one column per kind of attack."""
    kinds = list(dict.fromkeys(map(kind, report["num_copies"])))
    rows = [
        [f"{network} {version}", *(f"{100 * values[name]:.1f}" for name in kinds)]
        for version in ("whitened", "unwhitened")
        for network, values in report[version].items()
    ]
    return "\n".join([aligned([["", *kinds], *rows]), *report["notes"]])
