"""Files of the catalog appear whole or not at all, whichever dataset writes them."""

from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError, MemoryDataset
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset
from kedro_datasets.pillow import ImageDataset
from PIL import Image

from dino_pipeline.project.catalog import WholeFileCatalog


def test_every_kind_of_file_is_written_under_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "not there yet"
    catalog = WholeFileCatalog(
        {
            "rows": ParquetDataset(filepath=str(folder / "rows.parquet")),
            "picture": ImageDataset(filepath=str(folder / "picture.png")),
            "memory": MemoryDataset(),
        }
    )
    catalog.save("rows", pd.DataFrame({"a": [1, 2]}))
    catalog.save("picture", Image.new("RGB", (4, 4), "red"))
    catalog.save("memory", 3)
    assert sorted(file.name for file in folder.iterdir()) == ["picture.png", "rows.parquet"]
    assert catalog.load("rows")["a"].tolist() == [1, 2]
    assert Image.open(folder / "picture.png").format == "PNG"
    assert catalog.load("memory") == 3


class Unwritable:
    def __str__(self) -> str:
        raise OSError("No space left on device")


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    catalog = WholeFileCatalog(
        {
            "table": CSVDataset(filepath=str(tmp_path / "table.csv")),
            "values": JSONDataset(filepath=str(tmp_path / "values.json")),
        }
    )
    catalog.save("table", pd.DataFrame({"a": [1]}))
    catalog.save("values", {"a": 1})
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(DatasetError):
        catalog.save("table", pd.DataFrame({"a": [*range(10_000), Unwritable()]}))
    with pytest.raises(DatasetError):
        catalog.save("values", {"first": 1, "second": Unwritable()})
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert catalog.load("values") == {"a": 1}
