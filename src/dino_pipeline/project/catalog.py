"""The catalog. Evaluations add their entries, and every file that a node makes appears whole or not at all."""

from pathlib import Path
from typing import Any

from kedro.io import DataCatalog

from dino_pipeline.dino.partial import written_whole
from dino_pipeline.evaluations.registry import EVALUATIONS
from dino_pipeline.pipelines.evaluations import catalog_entries
from dino_pipeline.project.datasets import FolderDataset


def generated_catalog(recipe: str) -> dict[str, dict[str, Any]]:
    """Entries below those of the catalog.yml files, which may change them.

    These are the entries of every evaluation, which conf/base/catalog.yml leaves out, and later entries, which it lacks
    in a project from an older version.
    """
    entries = {
        "baseline_probes": {
            "type": "dino_pipeline.project.evaluation_datasets.LinearProbesDataset",
            "filepath": f"data/07_model_output/{recipe}/baseline_probes.safetensors",
        }
    }
    for evaluation in EVALUATIONS.values():
        entries |= catalog_entries(evaluation, recipe)
    return entries


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
