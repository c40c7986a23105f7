"""Plot a contact sheet of the cleaning list: one row per cluster of near-duplicates, then rows of outliers."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.data_quality.cleaning_list import NEAR_DUPLICATE, OUTLIER
from dino_pipeline.dino.evaluation.data_quality.config import ContactSheetConfig
from dino_pipeline.dino.features.evaluation_transform import EvaluationDataset
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.plotting.grids import rasterised
from dino_pipeline.plotting.pixels import visible

Sheet = list[tuple[str, Any]]  # a row's name, and its lines of the list


def contact_sheet(
    cleaning_list: Any, images: Manifest, config: ContactSheetConfig, read_as: ImagesConfig
) -> Image.Image:
    """Plot the start of the list. Above each image are its split, its score, and "drop" where that is suggested.

    Args:
        cleaning_list: the list as a data frame.
        images: the whole manifest.
        config: what to show.
        read_as: channels and bits.
    """
    rows = _rows(cleaning_list, config)
    figure = Figure(figsize=(1.3 * config.images_per_row, 1.5 * len(rows)), dpi=100, layout="tight")
    grid = figure.subplots(len(rows), config.images_per_row, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row_axes, (name, lines) in zip(grid, rows, strict=True):
        pixels = _thumbnails(images.take(lines["row_id"].to_numpy(np.int64)), read_as, config.thumbnail_size)
        row_axes[0].set_axis_on()
        row_axes[0].set_xticks([])
        row_axes[0].set_yticks([])
        row_axes[0].set_ylabel(name, fontsize=7)
        for axes, image, line in zip(row_axes, pixels, lines.to_dict("records"), strict=False):
            axes.imshow(image, interpolation="nearest")
            drop = "" if line["keep"] else "  drop"
            axes.set_title(
                f"{line['split']} {line['score']:.3f}{drop}",
                fontsize=7,
                color="firebrick" if drop else "black",
            )
    return rasterised(figure)


def _rows(cleaning_list: Any, config: ContactSheetConfig) -> Sheet:
    duplicates = cleaning_list[cleaning_list["kind"] == NEAR_DUPLICATE]
    outliers = cleaning_list[cleaning_list["kind"] == OUTLIER]
    rows: Sheet = [
        (f"{len(lines)} near-duplicates", lines.head(config.images_per_row))
        for cluster, lines in duplicates.groupby("cluster")
        if cluster < config.num_clusters
    ]
    per_row = config.images_per_row
    num_shown = min(len(outliers), config.num_outlier_rows * per_row)
    rows += [
        ("outliers", outliers.iloc[:num_shown][start:][:per_row]) for start in range(0, num_shown, per_row)
    ]
    return rows


def _thumbnails(images: Manifest, read_as: ImagesConfig, size: int) -> list[Any]:
    # Without mean and standard deviation, pixels stay whole numbers.
    neutral = (0.0,) * read_as.channels
    transform = EvaluationTransformConfig(resize=size, crop=size, images=read_as, mean=neutral, std=neutral)
    dataset = EvaluationDataset(images, transform)
    return [visible(dataset[position].permute(1, 2, 0).numpy()) for position in range(len(images))]
