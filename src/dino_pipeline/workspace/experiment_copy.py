"""The copy of the project in which DVC runs a queued or a temporary experiment, and the project that it was made from.

git and DVC bring into the copy what they track, and DVC deletes it when the experiment ends. What neither tracks is
the project's own and stays there: runs, the user's settings, raw images, trainings in progress.
"""

from pathlib import Path

_COPIES = (".dvc", "tmp", "exps")
_STANDALONE = "standalone"  # `--temp` puts its copies one folder deeper than the queue
_RAW = Path("data/01_raw")
_TRAININGS = Path("data/06_models/.in_progress")


def outside_copy(path: Path) -> Path:
    """The same place in the project itself, for an absolute path inside a copy; any other path as it is."""
    for folder in path.parents:
        if folder.parts[-len(_COPIES) :] == _COPIES:
            inside = path.relative_to(folder).parts
            return folder.parents[len(_COPIES) - 1].joinpath(*inside[2 if inside[0] == _STANDALONE else 1 :])
    return path


def link_untracked_data(project_path: Path) -> None:
    """Let a copy see the project's raw images and its trainings; does nothing anywhere else.

    Raw data that the copy has are left alone: DVC tracks those, and the experiment asks for that version. With the
    trainings an experiment that was stopped continues, and one that was trained before is not trained again.
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
