"""Find the project that a command stands in."""

from pathlib import Path


def project_around(path: Path) -> Path | None:
    """The nearest folder with a conf/base, from `path` upwards; None outside of projects."""
    start = path.absolute()
    return next((folder for folder in (start, *start.parents) if (folder / "conf" / "base").is_dir()), None)
