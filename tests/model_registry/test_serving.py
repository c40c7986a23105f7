"""`make serve`'s command, over HTTP on loopback: the champion's embeddings are those that the library extracts."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from dino_pipeline.dino.evaluation.extraction import backbone_features, extract_features
from dino_pipeline.dino.evaluation.image_files import images_in
from dino_pipeline.dino.weights.published import evaluation_transform, load_backbone, read_model
from tests.ports import free_port

from .conftest import EXTRACT, encoded

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 300.0  # seconds, on a busy machine
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 40, 31, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, kind, pixels in zip(("a.jpg", "b.jpg", "c.png"), ("JPEG", "JPEG", "PNG"), PIXELS, strict=True):
        (folder / name).write_bytes(encoded(pixels, format=kind))
    return folder


@pytest.fixture(scope="module")
def extracted(project: Path, files: Path) -> np.ndarray:
    """What extraction makes of the same files."""
    model, cpu = project / "model_abc", torch.device("cpu")
    transform = evaluation_transform(read_model(model), resize=EXTRACT.resize, crop=EXTRACT.crop)
    function = backbone_features(load_backbone(model), transform, EXTRACT, device=cpu)
    features = extract_features(images_in(files), {"teacher": function}, transform, EXTRACT, device=cpu)
    return features["teacher"].embedding


@pytest.fixture(scope="module")
def address(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The champion's server, as `make serve` starts it."""
    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    MlflowClient(uri, uri).set_registered_model_alias("dino-smoke", "champion", "1")
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["make", "--no-print-directory", "serve", "MODEL=dino-smoke@champion", f"PORT={port}"],
            cwd=ROOT,
            env={**os.environ, "MLFLOW_TRACKING_URI": uri, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server, log)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        with contextlib.suppress(ProcessLookupError):  # it never came up
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < give_up and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(log.read_text())


def post(address: str, body: bytes) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("names", [["a.jpg"], ["a.jpg", "b.jpg", "c.png"]])
def test_files_in_base64_become_the_embeddings_that_extraction_stores(
    address: str, files: Path, extracted: np.ndarray, names: list[str]
) -> None:
    images = [base64.b64encode((files / name).read_bytes()).decode() for name in names]
    status, answer = post(address, json.dumps({"inputs": images}).encode())
    assert status == 200
    np.testing.assert_allclose(answer["predictions"], extracted[: len(names)], atol=1e-4)


@pytest.mark.parametrize("form", ["inputs", "instances", "dataframe_split"])
def test_arrays_become_the_same_embeddings(address: str, extracted: np.ndarray, form: str) -> None:
    image = PIXELS[2].tolist()  # that of the PNG file, which lost nothing
    body = {form: {"columns": ["image"], "data": [[image]]} if form == "dataframe_split" else [image]}
    status, answer = post(address, json.dumps(body).encode())
    assert status == 200
    np.testing.assert_allclose(answer["predictions"], extracted[2:], atol=1e-4)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"inputs": ["no base64!"]}', "expected to be an image file in base64"),
        (b'{"inputs": ["aGVsbG8="]}', "not an image file that can be read whole"),
        (b'{"inputs": [[[1, 2], [3, 4]]]}', "[height, width, 3]; got int64 [2, 2]"),
        (b'{"inputs": [[[[0.5, 0.5, 0.5]]]]}', "whole numbers from 0 to 255"),
        (b'{"inputs": [[[[0, 0, 256]]]]}', "got numbers from 0 to 256"),
        (b'{"inputs": []}', "expected at least one image"),
        (b'{"dataframe_split": {"columns": ["image"], "data": []}}', "expected at least one image"),
        (b'{"inputs": [', "valid JSON"),
        (b'{"images": ["aGVsbG8="]}', "exactly one of the input fields"),
    ],
)
def test_bad_input_is_http_400_that_says_what_is_wanted(address: str, body: bytes, words: str) -> None:
    status, answer = post(address, body)
    assert status == 400
    assert words in str(answer["message"])
