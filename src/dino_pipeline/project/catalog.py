"""The catalog. Evaluations add their entries, and every file that a node makes appears whole or not at all."""

from pathlib import Path
from typing import Any

from kedro.io import DataCatalog

from dino_pipeline.dino.partial import written_whole
from dino_pipeline.evaluations.registry import EVALUATIONS
from dino_pipeline.pipelines.evaluations import catalog_entries
from dino_pipeline.project.datasets import FolderDataset


def evaluation_catalog(recipe: str) -> dict[str, dict[str, Any]]:
    """The entries of every evaluation. conf/base/catalog.yml leaves them out; a user's catalog.yml may change them."""
    return {
        name: entry
        for evaluation in EVALUATIONS.values()
        for name, entry in catalog_entries(evaluation, recipe).items()
    }


class WholeFileCatalog(DataCatalog):
    """Saves under a hidden name first, so that a kill in the middle leaves the old file for the next run to replace."""

    def save(self, ds_name: str, data: Any) -> None:
        """Save data under a name of the catalog.

        Raises:
            DatasetError: the data cannot be written; the old file is still there.
        """
        dataset: Any = self[ds_name]
        file = getattr(dataset, "_filepath", None)
        if file is None or isinstance(
            dataset, FolderDataset
        ):  # in memory; a folder dataset publishes itself whole
            super().save(ds_name, data)
            return
        target = Path(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as partial:
            dataset._filepath = type(file)(partial)
            try:
                super().save(ds_name, data)
            finally:
                dataset._filepath = file
