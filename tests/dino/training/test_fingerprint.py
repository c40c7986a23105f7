"""What makes another training, and what does not."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grimp
import numpy as np
import pyarrow as pa
import pytest

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest, read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training import fingerprint as module
from dino_pipeline.dino.training.fingerprint import CORE, code_digest, fingerprint
from dino_pipeline.recipes.reading import recipe_parameters
from tests.dino.conftest import MakeSpec

# What a worker imports outside the core, and why it cannot change a published weight.
OUTSIDE_THE_CORE = {
    "dino_pipeline": "the package itself",
    "dino_pipeline.dino": "the package itself",
    "dino_pipeline.dino.file_kinds": "words about files that cannot be decoded",
    "dino_pipeline.dino.partial": "names files that are not whole yet",
    "dino_pipeline.dino.progress": "shows how far work is, and counts its rounds for the watchdog",
    "dino_pipeline.dino.launching": "starts and stops processes, passes on what they log, and lets them read one file",
    "dino_pipeline.dino.features": "images of evaluations as tensors",
    "dino_pipeline.dino.metrics": "numbers about the training",
    "dino_pipeline.dino.weights": "reads initial weights, whose hash is a parameter; writes finished models",
    "dino_pipeline.dino.training": "checkpoints, history, monitoring, evaluation and validation around the loop",
}


@pytest.fixture
def config(make_spec: MakeSpec, tmp_path: Path) -> PretrainConfig:
    return make_spec(tmp_path).pretrain


@pytest.fixture
def images(tiny_manifest: Path) -> Manifest:
    return read_manifest(tiny_manifest, tiny_manifest.parent)


def changed(images: Manifest, column: str, values: list[str | None]) -> Manifest:
    table = images.table.set_column(
        images.table.column_names.index(column), column, pa.array(values, pa.string())
    )
    return Manifest(table, images.root, images.row_ids)


def test_parameters_and_the_images_of_train_count(config: PretrainConfig, images: Manifest) -> None:
    own = fingerprint(config, images)
    assert re.fullmatch("[0-9a-f]{16}", own)
    assert fingerprint(replace(config, seed=config.seed), images) == own
    assert fingerprint(replace(config, seed=4), images) != own
    train = np.flatnonzero(np.array(images.table["split"].to_pylist()) == "train")
    hashes = images.sha256
    other = [*hashes]
    other[train[0]] = "0" * 64
    assert fingerprint(config, changed(images, "sha256", other)) != own
    swapped = [*hashes]
    swapped[train[0]], swapped[train[1]] = hashes[train[1]], hashes[train[0]]
    assert fingerprint(config, changed(images, "sha256", swapped)) != own  # their order counts


def test_val_test_paths_and_labels_do_not_count_unless_the_loss_needs_labels(
    config: PretrainConfig, images: Manifest
) -> None:
    own = fingerprint(config, images)
    held_out = np.array(images.table["split"].to_pylist()) != "train"
    without = images.take(np.flatnonzero(~held_out))
    assert held_out.any()
    assert fingerprint(config, without) == own
    corrected = ["corrected", *images.labels[1:]]
    assert fingerprint(config, changed(images, "label", corrected)) == own
    moved = [f"elsewhere/{path}" for path in images.table["path"].to_pylist()]
    assert fingerprint(config, changed(images, "path", moved)) == own
    supervised = replace(config, loss=replace(config.loss, name="supervised"))
    assert fingerprint(supervised, changed(images, "label", corrected)) != fingerprint(supervised, images)


def test_a_later_field_at_its_value_of_before_is_not_hashed(
    config: PretrainConfig, images: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = fingerprint(config, images)
    later = dict(module.LATER_FIELDS)
    del later["pretrain.loss.options"]
    monkeypatch.setattr(module, "LATER_FIELDS", later)
    assert fingerprint(config, images) != own  # hashed where the table does not name it
    monkeypatch.undo()
    monkeypatch.setattr(module, "LATER_FIELDS", module.LATER_FIELDS | {"pretrain.seed": config.seed})
    assert fingerprint(replace(config, seed=config.seed + 1), images) != own


Edit = Callable[[str], str]


def substitute(old: str, new: str) -> Edit:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


@pytest.mark.parametrize(
    ("file", "edit"),
    [
        ("step.py", substitute('"""', '"""Edited: ')),
        ("losses/methods/dino.py", substitute(' """', ' """Edited: ')),
        ("state.py", substitute("\n    def ", "\n    # a comment\n    def ")),
        ("loop.py", substitute("back to step %d", "going back to step %d")),
        ("data/manifest.py", substitute("run the ingest pipeline first", "ingest first")),
        ("losses/methods/supervised.py", substitute("the loader gives labels", "labels come")),
        ("pretrain_config.py", substitute("which needs no teacher", "without a teacher")),
        (
            "pretrain_config.py",
            substitute("    epochs: Count\n", "    epochs: Annotated[int, Field(ge=2)]\n"),
        ),
        ("schedules.py", substitute("step: int, num_steps: int, *", "step: 'int', num_steps: 'int', *")),
        ("pretrain_config.py", substitute("    seed:", "    toy: int\n    seed:")),
        ("losses/methods/mse.py", lambda text: text + "\nTOY = 1\n"),
        ("models/backbones/pooled.py", lambda text: text + "\nTOY = 1\n"),
        ("models/backbones/small_stem_resnet.py", lambda text: text + "\nTOY = 1\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wording_and_plug_ins_that_are_not_named_give_the_same_code(
    config: PretrainConfig, tmp_path: Path, file: str, edit: Edit
) -> None:
    copy = shutil.copytree(CORE, tmp_path / "core")
    before = code_digest(config, copy, tmp_path)
    (copy / file).write_text(edit((copy / file).read_text()))
    assert code_digest(config, copy, tmp_path) == before


def test_a_toy_loss_and_a_file_that_moves_give_the_same_code(config: PretrainConfig, tmp_path: Path) -> None:
    copy = shutil.copytree(CORE, tmp_path / "core")
    before = code_digest(config, copy, tmp_path)
    shutil.copy(copy / "losses" / "methods" / "mse.py", copy / "losses" / "methods" / "toy.py")
    (copy / "losses" / "queue.py").rename(copy / "queue.py")
    assert code_digest(config, copy, tmp_path) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("losses/methods/dino.py", "others = all_targets - targets[view]", "others = all_targets"),
        ("losses/centering.py", "1 - self.momentum", "self.momentum"),
        ("data/photometric/drawn.py", "rng.random() < view.flip_probability", "rng.random() > 0.5"),
        ("data/decoding.py", "return", "return  0 or"),
        ("schedules.py", "math.cos(math.pi * progress)", "math.cos(progress)"),
        ("models/projection_head.py", "std=0.02", "std=0.03"),
        ("data/dataset.py", "permutation(self.num_images)", "permutation(self.num_images)[::-1]"),
        ("optimization/optimizers.py", "lr=0.0, betas", "lr=0.1, betas"),
        ("batches.py", "torch.float64 if", "torch.float32 if"),
        ("models/backbones/vision_transformer.py", "_ROUNDING_OFFSET = 0.1", "_ROUNDING_OFFSET = 0.0"),
        ("optimization/skipping.py", "self.in_a_row + 1", "self.in_a_row + 2"),
        ("loop.py", "max_hours * 3600", "max_hours * 1800"),
        ("step.py", "/ config.accumulation_steps", "/ 1"),
        ("state.py", "load_whole(self.student, state", "load_whole(self.teacher, state"),
    ],
)
def test_what_decides_a_weight_gives_other_code(
    config: PretrainConfig, tmp_path: Path, file: str, old: str, new: str
) -> None:
    copy = shutil.copytree(CORE, tmp_path / "core")
    before = code_digest(config, copy, tmp_path)
    (copy / file).write_text(substitute(old, new)((copy / file).read_text()))
    assert code_digest(config, copy, tmp_path) != before


def test_a_loss_of_the_users_own_counts_by_its_file(config: PretrainConfig, tmp_path: Path) -> None:
    own = replace(config, loss=replace(config.loss, name="my_loss.py:MyLoss"))
    (tmp_path / "my_loss.py").write_text("class MyLoss:\n    weight = 1\n")
    before = code_digest(own, CORE, tmp_path)
    (tmp_path / "my_loss.py").write_text('class MyLoss:\n    """Mine."""\n    weight = 1\n')
    assert code_digest(own, CORE, tmp_path) == before
    (tmp_path / "my_loss.py").write_text("class MyLoss:\n    weight = 2\n")
    assert code_digest(own, CORE, tmp_path) != before


@pytest.mark.parametrize(
    "recipe", ["base", "cifar10_resnet18", "imagenet_resnet50", "swav", "imagenet_vit_small"]
)
def test_every_named_plug_in_is_hashed(recipe: str, tmp_path: Path) -> None:
    config = from_dict(PretrainConfig, recipe_parameters(recipe)["pretrain"])
    copy = shutil.copytree(CORE, tmp_path / "core")
    before = code_digest(config, copy, tmp_path)
    named = {"base": "vision_transformer", "imagenet_vit_small": "vision_transformer"}.get(recipe, "pooled")
    for file in ("losses/methods/dino.py", f"models/backbones/{named}.py"):
        text = (copy / file).read_text()
        (copy / file).write_text(text + "\nTOY = 1\n")
        assert code_digest(config, copy, tmp_path) != before, file
        (copy / file).write_text(text)


def test_a_worker_imports_nothing_else_outside_the_core() -> None:
    graph = grimp.build_graph("dino_pipeline", cache_dir=None)
    seen: set[str] = set()
    waiting = {"dino_pipeline.dino.training.worker"}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= graph.find_modules_directly_imported_by(name) - seen
    outside = {name for name in seen if not name.startswith("dino_pipeline.dino.core")}
    unexplained = {
        name
        for name in outside
        if not any(
            name == known or name.startswith(f"{known}.")
            for known in OUTSIDE_THE_CORE
            if known.count(".") > 1
        )
        and name not in OUTSIDE_THE_CORE
    }
    assert not unexplained
    assert any(name.startswith("dino_pipeline.dino.core") for name in seen)
