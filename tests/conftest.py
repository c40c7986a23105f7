"""What every test may ask for: the golden numbers, the real images, and quiet threads."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference numbers; GOLDEN_DIR points at another one."""
    return Path(os.environ.get("GOLDEN_DIR", Path(__file__).parent / "golden"))


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Real images; DATASETS_DIR points elsewhere. Skips where there are none."""
    default = Path(__file__).parents[2] / "shared" / "datasets"
    folder = Path(os.environ.get("DATASETS_DIR", default))
    if not folder.is_dir():
        pytest.skip(f"no real images: {folder} does not exist (set DATASETS_DIR)")
    return folder
