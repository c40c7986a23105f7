"""The contact sheet: a row a cluster and rows of outliers; and the list as it lies on disk is one that ingest reads."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.evaluation.data_quality.cleaning_list import cleaning_list
from dino_pipeline.dino.evaluation.data_quality.config import (
    ContactSheetConfig,
    NearDuplicatesConfig,
    OutliersConfig,
)
from dino_pipeline.evaluations.data_quality.plot import contact_sheet
from dino_pipeline.ingestion.exclusion import read_exclusions

RGB = ImagesConfig(channels=3, bits=8)
SHEET = ContactSheetConfig(num_clusters=2, num_outlier_rows=2, images_per_row=3, thumbnail_size=16)


@pytest.fixture
def images(tmp_path):
    """Eleven colours."""
    rows = []
    for index in range(11):
        path = tmp_path / f"{index}.png"
        Image.new("RGB", (20, 16), (20 * index, 255 - 20 * index, 128)).save(path)
        rows.append(
            {"path": path.name, "split": "train", "width": 20, "height": 16, "sha256": f"{index:064}"}
            | {"bytes": path.stat().st_size}
        )
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path, np.arange(11))


@pytest.fixture
def listed(images, tmp_path):
    """As read back from disk: clusters of five, two and two, and four outliers."""
    axes = torch.eye(5)[[0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4]]
    directions = F.normalize(axes + 0.01 * torch.arange(11)[:, None] / 10, dim=1)
    table, _ = cleaning_list(
        images,
        directions,
        NearDuplicatesConfig(cosine=0.99, max_dropped_share=1.0),
        OutliersConfig(num_neighbors=1, share=0.35, drop=False),
    )
    table.to_pandas(types_mapper=pd.ArrowDtype).to_csv(tmp_path / "list.csv", index=False)
    return pd.read_csv(tmp_path / "list.csv")


def test_rows_are_the_largest_clusters_then_outliers(listed, images):
    sheets = [contact_sheet(listed, images, SHEET, RGB) for _ in range(2)]
    assert sheets[0].size == (130 * 3, 150 * (2 + 2))
    assert sheets[0].tobytes() == sheets[1].tobytes()
    first_of_cluster = images.table["path"].to_pylist().index(f"{int(listed['row_id'][0])}.png")
    color = (20 * first_of_cluster, 255 - 20 * first_of_cluster, 128)
    assert (np.asarray(sheets[0]) == color).all(axis=2).any()


def test_one_row_of_outliers_where_no_more_are_asked_for(listed, images):
    sheet = contact_sheet(
        listed[listed["kind"] == "outlier"], images, replace(SHEET, num_outlier_rows=1), RGB
    )
    assert sheet.size == (130 * 3, 150)


def test_ingest_reads_the_list(listed, tmp_path):
    unwanted = read_exclusions("list.csv", tmp_path).unwanted
    assert unwanted == {f"{row:064}" for row in listed["row_id"][~listed["keep"]]}
    assert len(unwanted) == 4 + 1 + 1
