"""Named data sets of torchvision: arrays become PNG files once, files are read where they lie."""

import gzip
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.ingestion.config import TorchvisionConfig

from ..conftest import RunIngest, WriteImage

NUM_KEPT = {"train": 60, "t10k": 20}


@pytest.fixture
def root(datasets: Path, tmp_path: Path) -> Path:
    """The first images of the real Fashion-MNIST, in torchvision's layout."""
    raw = tmp_path / "root" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in NUM_KEPT.items():
        for kind, header, item in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
            name = f"{part}-{kind}-ubyte"
            with gzip.open(datasets / "fashion_mnist" / "FashionMNIST" / "raw" / f"{name}.gz") as whole:
                magic, _ = struct.unpack(">II", whole.read(8))
                rest = whole.read(header - 8 + count * item)
            (raw / name).write_bytes(struct.pack(">II", magic, count) + rest)
    return tmp_path / "root"


def settings(root: Path, download: bool = False) -> TorchvisionConfig:
    return TorchvisionConfig(root=str(root), download=download)


def test_fashion_mnist_is_written_losslessly_with_its_labels(
    root: Path, run: RunIngest, tmp_path: Path
) -> None:
    result = run("torchvision:FashionMNIST", torchvision=settings(root))
    assert result.summary["splits"] == {"train": 52, "val": 8, "test": 20}
    assert "T-shirt-top" in result.summary["classes"], "a slash cannot be in a folder's name"
    raw = (root / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()[16:]
    test = result.manifest.query("split == 'test'").sort_values("path", key=lambda paths: paths.str[-10:])
    for path, pixels in zip(test["path"], np.frombuffer(raw, np.uint8).reshape(-1, 28, 28), strict=True):
        data = (tmp_path / "project" / path).read_bytes()
        np.testing.assert_array_equal(decode_rgb(data), np.stack([pixels] * 3, axis=-1))
    labels = (root / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte").read_bytes()[8:]
    assert labels[0] == 9
    assert test["label"].iloc[0] == "Ankle boot"


def test_it_is_written_once(root: Path, run: RunIngest) -> None:
    first = run("torchvision:FashionMNIST", torchvision=settings(root))
    shutil.rmtree(root)
    assert run("torchvision:FashionMNIST", torchvision=settings(root)).summary == first.summary


def test_what_is_not_there_is_told_with_the_remedy(tmp_path: Path, run: RunIngest) -> None:
    with pytest.raises(ValueError, match=r"ingest\.torchvision\.download=true"):
        run("torchvision:FashionMNIST", torchvision=settings(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="is not known, only CIFAR10, CIFAR100"):
        run("torchvision:CIFAR11")


def test_imagenettes_files_are_read_in_place_and_its_val_is_our_test(
    tmp_path: Path, run: RunIngest, write_image: WriteImage
) -> None:
    names = ["n01440764", "n02102040", "n02979186", "n03000684", "n03028079"]
    names += ["n03394916", "n03417042", "n03425413", "n03445777", "n03888257"]
    for wnid in names:
        for split in ("train", "val"):
            write_image(tmp_path / "root" / "imagenette2" / split / wnid / f"{wnid}_1.JPEG")
    result = run("torchvision:Imagenette", torchvision=settings(tmp_path / "root"))
    assert result.summary["splits"] == {"train": 9, "val": 1, "test": 10}
    assert "tench" in result.summary["classes"]
    assert result.manifest["path"].str.startswith(str(tmp_path / "root" / "imagenette2")).all()


def test_pets_are_read_in_place(tmp_path: Path, run: RunIngest) -> None:
    base = tmp_path / "root" / "oxford-iiit-pet"
    (base / "images").mkdir(parents=True)
    (base / "annotations").mkdir()
    (base / "annotations" / "test.txt").write_text("Beagle_3 1 1 1\nSphynx_3 2 1 1\n")
    lines = []
    for number, name in enumerate(["Beagle_1", "Beagle_2", "Sphynx_1", "Sphynx_2", "Beagle_3", "Sphynx_3"]):
        Image.new("RGB", (20, 20), (number * 40, 0, 0)).save(base / "images" / f"{name}.jpg")
        if number < 4:
            lines.append(f"{name} {1 + number // 2} 1 1\n")
    (base / "annotations" / "trainval.txt").write_text("".join(lines))
    result = run(
        "torchvision:OxfordIIITPet", torchvision=settings(tmp_path / "root"), validation_fraction=0.0
    )
    assert result.summary["splits"] == {"train": 4, "val": 0, "test": 2}
    assert result.summary["classes"] == {"Beagle": 3, "Sphynx": 3}


@pytest.mark.full
def test_the_whole_of_fashion_mnist_is_unpacked_checked_and_written(
    datasets: Path, tmp_path: Path, run: RunIngest
) -> None:
    shutil.copytree(datasets / "fashion_mnist" / "FashionMNIST", tmp_path / "root" / "FashionMNIST")
    result = run("torchvision:FashionMNIST", torchvision=settings(tmp_path / "root", download=True))
    assert result.summary["splits"] == {"train": 53_967, "val": 6_033, "test": 10_000}
    assert set(result.summary["classes"].values()) == {7_000}
