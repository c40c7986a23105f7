"""A project that commit 0a91d15 left, unpacked where a test wants it (tests/fixtures/make_project_0a91d15.sh)."""

import tarfile
from pathlib import Path

PACKED = Path(__file__).parent / "fixtures" / "project_0a91d15.tar.xz"
TRAININGS = Path("data") / "06_models" / ".in_progress"


def unpack(folder: Path) -> Path:
    """The project in `folder`; it was made elsewhere, and MLflow's addresses still lead there."""
    with tarfile.open(PACKED) as packed:
        packed.extractall(folder, filter="data")
    return folder / "project_0a91d15"
