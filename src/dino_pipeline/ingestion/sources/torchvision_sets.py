"""torchvision's named data sets. Image files are read in place; arrays are written once as PNG."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

from dino_pipeline.dino.progress import with_progress
from dino_pipeline.ingestion.layout import Place
from dino_pipeline.ingestion.listing import Listing, SourceContext, SourceFile, make_listing
from dino_pipeline.ingestion.sources.folder import list_folder
from dino_pipeline.ingestion.sources.generated_folder import write_once

if TYPE_CHECKING:
    from PIL.Image import Image

Options = Mapping[str, Any]


@dataclass(frozen=True)
class NamedSet:
    """How a torchvision data set maps to splits.

    Attributes:
        splits: arguments of its class, for each of our splits.
        are_files: whether the images are files on disk; else they are arrays.
        class_name: the class in torchvision, where it differs from the name.
    """

    splits: Mapping[str, Options]
    are_files: bool
    class_name: str | None = None


_TRAIN_FLAG = {"train": {"train": True}, "test": {"train": False}}
_TRAIN_TEST = {"train": {"split": "train"}, "test": {"split": "test"}}
_TRAIN_VAL_TEST = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}

NAMED_SETS = {
    "CIFAR10": NamedSet(_TRAIN_FLAG, are_files=False),
    "CIFAR100": NamedSet(_TRAIN_FLAG, are_files=False),
    "DTD": NamedSet(_TRAIN_VAL_TEST, are_files=True),
    "EuroSAT": NamedSet({"train": {}}, are_files=True),
    "FGVCAircraft": NamedSet(_TRAIN_VAL_TEST, are_files=True),
    "FashionMNIST": NamedSet(_TRAIN_FLAG, are_files=False),
    "Flowers102": NamedSet(_TRAIN_VAL_TEST, are_files=True),
    "Food101": NamedSet(_TRAIN_TEST, are_files=True),
    # Published results use the authors' val split. Nothing may be chosen on it, so it is our test split.
    "Imagenette": NamedSet({"train": {"split": "train"}, "test": {"split": "val"}}, are_files=True),
    "Imagenette-160": NamedSet(
        {"train": {"split": "train", "size": "160px"}, "test": {"split": "val", "size": "160px"}},
        are_files=True,
        class_name="Imagenette",
    ),
    "KMNIST": NamedSet(_TRAIN_FLAG, are_files=False),
    "MNIST": NamedSet(_TRAIN_FLAG, are_files=False),
    "OxfordIIITPet": NamedSet({"train": {"split": "trainval"}, "test": {"split": "test"}}, are_files=True),
    "STL10": NamedSet(_TRAIN_TEST, are_files=False),
    "STL10-unlabeled": NamedSet({"train": {"split": "unlabeled"}}, are_files=False, class_name="STL10"),
    "SVHN": NamedSet(_TRAIN_TEST, are_files=False),
}


def list_torchvision(name: str, context: SourceContext) -> Listing:
    """List the images of `torchvision:<name>`, labelled with their class names.

    Raises:
        ValueError: the name is unknown, the files are missing, or the download failed.
    """
    if name not in NAMED_SETS:
        raise ValueError(f"ingest.source: torchvision:{name} is not known, only {', '.join(NAMED_SETS)}")
    config = context.config.torchvision
    root = context.project_folder / Path(config.root).expanduser()

    def open_split(options: Options) -> Any:
        return _open(name, options, root, download=config.download)

    if NAMED_SETS[name].are_files:
        return _list_files(name, open_split)
    folder = context.raw_folder / name
    write_once(folder, origin={"torchvision": name}, write=lambda target: _write(name, open_split, target))
    return list_folder(folder)


def _open(name: str, options: Options, root: Path, *, download: bool) -> Any:
    import torchvision  # takes seconds, and only unwritten data sets need it

    named = NAMED_SETS[name]
    dataset = getattr(torchvision.datasets, named.class_name or name)
    if "loader" in dataset.__init__.__annotations__:
        options = {**options, "loader": str}  # returns the path itself instead of its pixels
    root.mkdir(parents=True, exist_ok=True)
    try:
        # Some data sets refuse to download files that exist already.
        try:
            return dataset(root, **options, download=False)
        except RuntimeError:
            return dataset(root, **options, download=download)
    except RuntimeError as error:
        raise ValueError(
            f"torchvision does not find all files of {name} in {root} ({error}). Download them with "
            "--params=ingest.torchvision.download=true (for init: --download), or give their folder with "
            "--params=ingest.torchvision.root=..."
        ) from error
    except URLError as error:
        raise ValueError(
            f"torchvision could not download {name}: {error}. Put its files into {root}."
        ) from error


def _list_files(name: str, open_split: Callable[[Options], Any]) -> Listing:
    files: list[SourceFile] = []
    places: dict[str, Place] = {}
    for split, options in NAMED_SETS[name].splits.items():
        dataset = open_split(options)
        class_names = _class_names(dataset)
        for path, index in _paths_and_labels(dataset):
            status = Path(path).stat()
            files.append(SourceFile(path, path, None, None, status.st_size, status.st_mtime_ns))
            places[path] = Place(split, class_names[index] if class_names else str(index))
    return Listing(make_listing(files, ()).files, set(), places)


def _paths_and_labels(dataset: Any) -> Iterable[tuple[str, int]]:
    if type(dataset).__name__ == "OxfordIIITPet":  # the only one that takes no loader
        return zip(map(str, dataset._images), dataset._labels, strict=True)
    return (dataset[position] for position in range(len(dataset)))


def _write(name: str, open_split: Callable[[Options], Any], target: Path) -> None:
    """Write `target`/<split>/<class>/NNNNNN.png, without a class folder where images have no label."""
    for split, options in NAMED_SETS[name].splits.items():
        dataset = open_split(options)
        class_names = _class_names(dataset)
        for position in with_progress(range(len(dataset)), f"write {split}", unit="images"):
            image: Image
            image, index = dataset[position]
            folder = target / split
            if index >= 0:  # torchvision writes -1 for "no label"
                folder /= (class_names[index] if class_names else str(index)).replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
            image.save(folder / f"{position:06d}.png", compress_level=1)


def _class_names(dataset: Any) -> list[str]:
    names = getattr(dataset, "classes", None) or []
    # Imagenette gives several words for a class; the first is its name
    return [name if isinstance(name, str) else name[0] for name in names]
