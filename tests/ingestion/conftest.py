"""Sources of images to ingest, and a project folder to ingest them into."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.ingest import Ingested, ingest

RGB = ImagesConfig(channels=3, bits=8)
CONF = Path(__file__).parents[2] / "conf"

WriteImage = Callable[..., Path]
RunIngest = Callable[..., Ingested]


@pytest.fixture
def config() -> IngestConfig:
    """The values in force, read in this process: a pool takes longer to start than these tests to run."""
    values = yaml.safe_load((CONF / "base" / "parameters_ingest.yml").read_text())["ingest"]
    return from_dict(IngestConfig, values | {"num_workers": 0})


@pytest.fixture
def write_image() -> WriteImage:
    """Write a different image at each call, `size` px on each side."""
    random = np.random.default_rng(0)

    def write(path: Path, size: int = 20, **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        format = {".png": "PNG"}.get(path.suffix, "JPEG")
        Image.fromarray(random.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(
            buffer, format, **options
        )
        path.write_bytes(buffer.getvalue())
        return path

    return write


@pytest.fixture
def run(tmp_path: Path, config: IngestConfig) -> RunIngest:
    """Ingest a source into the project folder tmp_path/project, with other values where given."""

    def call(
        source: Path | str | tuple[str, ...] | None, images: ImagesConfig = RGB, **values: Any
    ) -> Ingested:
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        return ingest(
            replace(config, source=str(source) if isinstance(source, Path) else source, **values),
            images,
            project_folder=project,
            raw_folder=project / "data" / "01_raw",
            cache_folder=project / "data" / "02_intermediate" / "test",
        )

    return call
