"""Find the project that a command stands in, and the configuration that this package has."""

from pathlib import Path


def project_around(path: Path) -> Path | None:
    """The nearest folder with a conf/base, from `path` upwards; None outside of projects."""
    start = path.absolute()
    return next((folder for folder in (start, *start.parents) if (folder / "conf" / "base").is_dir()), None)


def conf_folder() -> Path:
    """The package's own conf/: inside it after an installation from a wheel, else the checkout's."""
    package = Path(__file__).parents[1]
    shipped = package / "conf"
    return shipped if shipped.is_dir() else package.parents[1] / "conf"
