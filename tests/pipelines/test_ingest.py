"""The ingest pipeline's wiring, run by Kedro on real images."""

from pathlib import Path

from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.pipelines.ingest import create_pipeline
from dino_pipeline.recipes.reading import recipe_names
from dino_pipeline.workspace.config_loader import shared_parameters

CONF = Path(__file__).parents[2] / "conf"


def ingest_values(recipe: str) -> dict[str, object]:
    return shared_parameters(CONF, recipe)["ingest"]


def test_one_run_yields_manifest_quarantine_and_summary(tmp_path: Path) -> None:
    (tmp_path / "conf").symlink_to(CONF)
    catalog = DataCatalog(
        {
            "params:recipe": MemoryDataset("smoke"),
            "params:ingest": MemoryDataset(from_dict(IngestConfig, ingest_values("smoke"))),
            "params:pretrain.images": MemoryDataset(ImagesConfig(channels=3, bits=8)),
            "project_folder": MemoryDataset(tmp_path),
            "raw_folder": MemoryDataset(tmp_path / "data" / "01_raw"),
            "ingest_cache": MemoryDataset(tmp_path / "data" / "02_intermediate"),
        }
    )
    outputs = SequentialRunner().run(create_pipeline(), catalog)
    assert set(outputs) == {"manifest", "quarantine", "duplicates", "ingest_summary"}
    summary = outputs["ingest_summary"].load()
    assert summary["name"] == "smoke"
    assert summary["num_images"] == len(outputs["manifest"].load()) == 1797
    assert summary["num_classes"] == 10
    assert min(summary["splits"].values()) > 200
    assert outputs["quarantine"].load().empty


def test_every_recipe_has_valid_ingest_values() -> None:
    for recipe in recipe_names(CONF):
        from_dict(IngestConfig, ingest_values(recipe))
