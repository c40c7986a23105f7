"""The copy of the project in which DVC runs a queued or temporary experiment, and the project behind the copy.

git and DVC put the files that they track into the copy. DVC deletes the copy when the experiment ends. Untracked files
stay in the project: runs, the user's settings, raw images, unfinished trainings.
"""

from pathlib import Path

_COPIES = (".dvc", "tmp", "exps")
_STANDALONE = "standalone"  # `--temp` puts its copies one folder deeper than the queue
_RAW = Path("data/01_raw")
_TRAININGS = Path("data/06_models/.in_progress")


def outside_copy(path: Path) -> Path:
    """Map an absolute path inside a copy to the same place in the project. Other paths stay unchanged."""
    for folder in path.parents:
        if folder.parts[-len(_COPIES) :] == _COPIES:
            inside = path.relative_to(folder).parts
            return folder.parents[len(_COPIES) - 1].joinpath(*inside[2 if inside[0] == _STANDALONE else 1 :])
    return path


def link_untracked_data(project_path: Path) -> None:
    """Link the project's raw images and trainings into a copy. Elsewhere this does nothing.

    The copy's own raw data stay: DVC tracks them, and the experiment uses that version. Through the linked trainings a
    stopped experiment continues, and a finished training is not repeated.
    """
    original = outside_copy(project_path)
    if original == project_path:
        return
    (original / _TRAININGS).mkdir(parents=True, exist_ok=True)
    for place in (_TRAININGS, *(_RAW / entry.name for entry in (original / _RAW).iterdir())):
        link = project_path / place
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(original / place)
