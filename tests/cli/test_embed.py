"""A folder becomes a file of embeddings: those of extraction, each image once, and what is no image said."""

import csv
import hashlib
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import timm
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from dino_pipeline.__main__ import main
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.head_config import ProjectionHeadConfig
from dino_pipeline.dino.core.models.student_teacher import build_student_and_teacher
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import backbone_features, extract_features
from dino_pipeline.dino.evaluation.image_files import named_images
from dino_pipeline.dino.features.evaluation_transform import evaluation_crop
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.weights.published import (
    PublishedModel,
    evaluation_transform,
    load_backbone,
    read_model,
    write_model,
)
from dino_pipeline.inference import embed

CONF = Path(__file__).parents[2] / "conf"
NAMES = ["a.jpg", "b.png", "deep/a.jpg", "deep/deeper/c.png"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT of random weights that the demo's values of `extract` suit, as the recipe `base`."""
    torch.manual_seed(0)
    values = yaml.safe_load((CONF / "base" / "parameters_pretrain.yml").read_text())["pretrain"]
    options = {"img_size": 48, "patch_size": 16, "embed_dim": 24, "depth": 2, "num_heads": 3}
    backbone = {"name": "vit_tiny_patch16_224", "options": options, "drop_path_rate": 0.0}
    head = {**values["projection_head"], "num_prototypes": 8, "hidden_dim": 16, "bottleneck_dim": 8}
    student, teacher = build_student_and_teacher(
        from_dict(BackboneConfig, backbone), from_dict(ProjectionHeadConfig, head)
    )
    own = {"backbone": backbone, "images": {"channels": 3, "bits": 8}, "mean": [0.5] * 3, "std": [0.2] * 3}
    folder = tmp_path_factory.mktemp("model")
    write_model(
        folder,
        PublishedModel(fingerprint="f" * 64, data_digest="0", recipe="base", config=own),
        {"student": student.state_dict(), "teacher": teacher.state_dict()},
    )
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (60, 70, 3), dtype=np.uint8)).save(folder / name)
    (folder / "cut.jpg").write_bytes((folder / "a.jpg").read_bytes()[:900])
    (folder / "words.txt").write_text("no image")
    (folder / "bomb.ppm").write_bytes(b"P6 50000 50000 255\n" + bytes(100))
    return folder


def extracted(model: Path, manifest: Manifest) -> np.ndarray:
    values = yaml.safe_load((CONF / "base" / "parameters_extract.yml").read_text())["extract"]
    config = from_dict(ExtractConfig, values)
    transform = evaluation_transform(read_model(model), resize=config.resize, crop=config.crop)
    cpu = torch.device("cpu")
    function = backbone_features(load_backbone(model), transform, config, device=cpu)
    return extract_features(manifest, {"teacher": function}, transform, config, device=cpu)[
        "teacher"
    ].embedding


@pytest.mark.parametrize("rows_at_once", [3, 4096])
def test_every_image_has_the_embedding_that_extraction_stores(
    model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr(embed, "ROWS_AT_ONCE", rows_at_once)
    file = tmp_path / "new" / "photos.parquet"
    assert main(["embed", str(photos), f"--model={model}", f"--output={file}"]) == 3
    table = pq.read_table(file)
    assert table["path"].to_pylist() == NAMES
    assert table["sha256"].to_pylist() == [
        hashlib.sha256((photos / name).read_bytes()).hexdigest() for name in NAMES
    ]
    stored = np.array(table["embedding"].to_pylist(), dtype=np.float32)
    np.testing.assert_allclose(stored, extracted(model, named_images(photos, NAMES)), rtol=1e-5, atol=1e-6)
    assert table.schema.metadata[b"fingerprint"] == b"f" * 64
    assert pq.ParquetFile(file).num_row_groups == -(-len(NAMES) // rows_at_once)


def test_what_is_no_whole_image_is_listed_and_counted(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "photos.parquet"
    assert main(["embed", str(photos), f"--model={model}", f"--output={file}"]) == 3
    printed = capsys.readouterr().out
    assert "4 images, 24 dimensions" in printed
    assert printed.splitlines()[-1].startswith("Left out 2 of 7 files: bomb.ppm (too many pixels"), (
        "words are none"
    )
    with (tmp_path / "photos.left_out.csv").open(newline="") as left_out:
        problems = {row["path"]: row["problem"] for row in csv.DictReader(left_out)}
    assert problems.keys() == {"bomb.ppm", "cut.jpg", "words.txt"}
    assert problems["bomb.ppm"].startswith("too many pixels")
    assert problems["words.txt"].startswith("not an image")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos.left_out.csv", "photos.parquet"]


def test_a_file_that_exists_is_left_alone(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "photos.parquet"
    file.write_text("precious")
    assert main(["embed", str(photos), f"--model={model}", f"--output={file}"]) == 1
    assert "already exists: remove it, or give another file" in capsys.readouterr().err
    assert file.read_text() == "precious"


def test_a_folder_without_an_image_writes_nothing(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "words.txt").write_text("no image")
    written = tmp_path / "written"
    assert main(["embed", str(folder), f"--model={model}", f"--output={written / 'a.parquet'}"]) == 1
    assert "none of the 1 files is a readable image" in capsys.readouterr().err
    assert not list(written.iterdir())


def test_what_lies_beside_images_is_no_failure(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "words.txt"):
        shutil.copy(photos / name, folder)
    for name in ("Thumbs.db", ".DS_Store", "@eaDir"):
        (folder / name).touch()
    assert main(["embed", str(folder), f"--model={model}", f"--output={tmp_path / 'a.parquet'}"]) == 0
    assert "1 files are not readable images" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz"])
def test_an_archive_gives_the_embeddings_of_its_folder(
    model: Path, photos: Path, tmp_path: Path, ending: str
) -> None:
    archive = tmp_path / f"photos.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(archive, "w") as opened:
            for path in photos.rglob("*"):
                opened.write(path, str(path.relative_to(photos)))
    else:
        with tarfile.open(archive, "w:gz" if ending == "tar.gz" else "w") as packed:
            packed.add(photos, ".")
    tables = []
    for source in (photos, archive):
        file = tmp_path / "written" / f"{source.name}.parquet"
        assert main(["embed", str(source), f"--model={model}", f"--output={file}"]) == 3
        tables.append(pq.read_table(file))
    assert tables[0].equals(tables[1])
    kept = {
        "photos0.parquet",
        f"photos.{ending}.parquet",
        "photos0.left_out.csv",
        f"photos.{ending}.left_out.csv",
    }
    assert {path.name.replace(photos.name, "photos0") for path in (tmp_path / "written").iterdir()} == kept


def test_an_image_as_long_as_a_film_is_embedded_in_bounded_memory(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    for name, size in (
        ("line.png", (30_000, 1)),
        ("column.png", (1, 30_000)),
        ("panorama.jpg", (20_000, 60)),
    ):
        Image.new("RGB", size, "red").save(folder / name)
    file = tmp_path / "long.parquet"
    assert main(["embed", str(folder), f"--model={model}", f"--output={file}"]) == 0
    line, column, panorama = np.array(pq.read_table(file)["embedding"].to_pylist())
    np.testing.assert_allclose(line, column, atol=1e-5)
    np.testing.assert_allclose(line, panorama, atol=0.05)


@pytest.mark.parametrize("name", ["lightning.ckpt", "backbone.safetensors"])
def test_weights_of_another_trainer_embed_outside_of_any_project_as_timm_does(
    name: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.manual_seed(0)
    network = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, img_size=32, patch_size=8, depth=2
    ).eval()
    state = network.state_dict()
    if name.endswith(".ckpt"):
        torch.save(
            {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 3},
            tmp_path / name,
        )
    else:
        save_file({**state, "mask_token": torch.zeros(1, 192)}, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert (
        main(["embed", str(photos), "--model", name, "--output=e.parquet", "--set=model.mean=[0.5,0.5,0.5]"])
        == 3
    )
    said = capsys.readouterr().out
    assert f"{name} is taken for vit_tiny_patch16_224" in said
    assert "resized to 37 px and cropped to 32 px" in said
    rows = pq.read_table(tmp_path / "e.parquet").to_pylist()
    transform = EvaluationTransformConfig(
        resize=37,
        crop=32,
        images=ImagesConfig(channels=3, bits=8),
        mean=(0.5,) * 3,
        std=(0.229, 0.224, 0.225),
    )
    crops = [
        evaluation_crop(decode_image((photos / row["path"]).read_bytes(), transform.images), transform)
        for row in rows
    ]
    pixels = (torch.stack(crops) / 255 - 0.5) / torch.tensor(transform.std).view(3, 1, 1)
    with torch.no_grad():
        expected = network(pixels)
    torch.testing.assert_close(
        torch.tensor([row["embedding"] for row in rows]), expected, atol=1e-4, rtol=1e-4
    )


def test_a_model_needs_a_project_only_where_its_name_does(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, expected in {
        "photos": "there is no model 'photos' here, and no project",
        "gone.pth": "gone.pth does not exist: give a file of weights",
        "timm:vit_smal": "has no model 'vit_smal'; similar",
    }.items():
        assert main(["embed", str(photos), "--model", name, "--output=e.parquet"]) == 1
        error = capsys.readouterr().err
        assert expected in error
        assert error.count("\n") == 1
