"""A slip in a YAML file is one line: the file, the line, what is wrong, what to do."""

import shutil
from pathlib import Path

import pytest

from dino_pipeline.workspace.config_loader import MERGE_STRATEGY, LayeredConfigLoader
from dino_pipeline.workspace.yaml_files import read_mapping

CONF = Path(__file__).parents[2] / "conf"
SLIPS = [
    (b"pretrain:\n\tepochs: 3\n", 2, "a tab: indent with blanks"),
    (b"pretrain:\n  seed: 1\n\tepochs: 3\n", 3, "a tab: indent with blanks"),
    (b"pretrain\n  epochs: 3\n", 2, "check the indentation and the colon of the line before"),
    (b"pretrain:\n  epochs: 3\n   seed: 1\n", 3, "check the indentation"),
    (b"pretrain:\n    epochs: 3\n  seed: 1\n", 3, "the indentation is unlike"),
    (b"pretrain:\n  epochs: 3\n  seed: 1\n  epochs: 4\n", 4, "epochs is here a second time, after line 2"),
    (
        b"pretrain:\n  epochs: 3\nlaunch: {}\npretrain: {}\n",
        4,
        "pretrain is here a second time, after line 1",
    ),
    (b"ingest:\n  source: 'photos\npretrain:\n  epochs: 3\n", 2, "a quote is not closed"),
    (b"ingest:\n  source: [/a, /b\npretrain: {}\n", 2, "a bracket [ is not closed"),
    (b'ingest:\n  source: "C:\\photos"\n', 2, "write single quotes"),
    (b"ingest:\n  source: a: b\n", 2, "put quotes around a text with a colon"),
    (b"ingest:\n  source: @photos\n", 2, "put quotes around it"),
    (b"ingest:\n  source: *photos\n", 2, "put quotes around it"),
    (b"ingest:\n  source: caf\xe9\n", 2, "save the file as UTF-8"),
    ("pretrain: {}\n".encode("utf-16"), 1, "save it as UTF-8"),
    (b"- pretrain\n- epochs\n", 1, "a list where names and values are meant"),
    (b"\npretrain\n", 2, "the single value 'pretrain' where names and values are meant"),
    (b"pretrain: {}\n---\nlaunch: {}\n", 2, "a line ---"),
    (b"pretrain: {}\n3: 4\n", 2, "the name '3' is not a text"),
]
GROUPS = [
    (
        b"launch: {}\npretrain:\n  epochs:3\n",
        2,
        "the single value 'epochs:3': write a blank after each colon",
    ),
    (b"pretrain:\n  - epochs: 3\n", 1, "pretrain is a list: write names and values below it"),
    (b"pretrain: fast\n", 1, "pretrain is the single value 'fast'"),
    (b"ingest:\n  source: /a/${b}\n", 2, "names another value"),
    (b"launch: {}\npretrian: {epochs: 3}\n", 2, "did you mean pretrain"),
]


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "conf"
    for layer in ("base", "smoke"):
        shutil.copytree(CONF / layer, folder / layer)
    (folder / "local").mkdir()
    return folder


@pytest.mark.parametrize("layer", ["local", "smoke"])
@pytest.mark.parametrize(("content", "line", "words"), [*SLIPS, *GROUPS])
def test_a_slip_in_a_layer_is_one_line(conf: Path, layer: str, content: bytes, line: int, words: str) -> None:
    file = conf / layer / "parameters.yml"
    before = file.read_bytes() if file.exists() else b""
    file.write_bytes(content)
    try:
        with pytest.raises(ValueError, match=r".") as error:
            LayeredConfigLoader(
                conf, "smoke", base_env="base", default_run_env="local", merge_strategy=MERGE_STRATEGY
            )["parameters"]
    finally:
        file.write_bytes(before)
    assert str(error.value).startswith(f"{file}, line {line}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_slip_in_the_catalog_is_found_too(conf: Path) -> None:
    file = conf / "local" / "catalog.yml"
    file.write_text("model:\n\ttype: x\n")
    loader = LayeredConfigLoader(
        conf, "smoke", base_env="base", default_run_env="local", merge_strategy=MERGE_STRATEGY
    )
    with pytest.raises(ValueError, match=r"local/catalog\.yml, line 2: a tab"):
        loader["catalog"]
    file.unlink()


@pytest.mark.parametrize(("content", "line", "words"), SLIPS)
def test_a_slip_in_a_file_of_its_own_is_one_line(
    tmp_path: Path, content: bytes, line: int, words: str
) -> None:
    (tmp_path / "rows.yml").write_bytes(content)
    with pytest.raises(ValueError, match=rf"rows\.yml, line {line}: ") as error:
        read_mapping(tmp_path / "rows.yml")
    assert words in str(error.value)


def test_files_without_slips_are_read(tmp_path: Path) -> None:
    file = tmp_path / "rows.yml"
    for content, values in (
        (b"", {}),
        (b"# nothing\n", {}),
        (b"\xef\xbb\xbfa: {b: 1}\r\n", {"a": {"b": 1}}),
        ("a: &x {b: é}\nc: {<<: *x, d: 2}\n".encode(), {"a": {"b": "é"}, "c": {"b": "é", "d": 2}}),
    ):
        file.write_bytes(content)
        assert read_mapping(file) == values
