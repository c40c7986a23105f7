"""The served model embeds what it reads, and refuses the rest in words, which MLflow's server answers as HTTP 400."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from dino_pipeline.dino.core.data import images as library
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.model_registry import served_model

from .conftest import encoded, expected, served

DEEP_GREY, FIVE = ImagesConfig(channels=1, bits=16), ImagesConfig(channels=5, bits=8)
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 31, 3), dtype=np.uint8)
JPEG = encoded(PIXELS, format="JPEG", quality=90)
WANTED = r"an image is an image file in base64, or whole numbers from 0 to 255, \[height, width, 3\]"
# A picture of 2.5 billion pixels, by its header.
BOMB = b"P6 50000 50000 255\n" + bytes(100)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def frame(*images: Any, column: str = "image") -> dict[str, Any]:
    return {"dataframe_split": {"columns": [column], "data": [[image] for image in images]}}


@pytest.fixture(scope="module")
def model(project: Path) -> mlflow.pyfunc.PyFuncModel:
    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("MLFLOW_REGISTRY_URI", uri)
        return mlflow.pyfunc.load_model("models:/dino-smoke/1")


def answer(model: mlflow.pyfunc.PyFuncModel, body: object) -> np.ndarray:
    """What MLflow's server makes of a request's body."""
    done = scoring_server.invocations(
        json.dumps(body).encode(), "application/json", model, model.metadata.get_input_schema()
    )
    return np.array(json.loads(done.response)["predictions"])


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [text(JPEG)] * 3},
        {"instances": [text(JPEG)] * 3},
        {"instances": [{"image": text(JPEG)}] * 3},
        {"inputs": {"image": [text(JPEG)] * 3}},
        {"dataframe_records": [{"image": text(JPEG)}] * 3},
        frame(*[text(JPEG)] * 3),
    ],
)
def test_base64_files_come_in_each_of_mlflows_forms(
    project: Path, model: mlflow.pyfunc.PyFuncModel, body: object
) -> None:
    np.testing.assert_allclose(answer(model, body), expected(project, [decode_rgb(JPEG)] * 3), atol=1e-4)


@pytest.mark.parametrize("form", ["inputs", "instances", "frame"])
def test_pixels_come_as_nested_lists(project: Path, model: mlflow.pyfunc.PyFuncModel, form: str) -> None:
    images = [PIXELS.tolist(), PIXELS[::-1].tolist()]
    body = frame(*images) if form == "frame" else {form: images}
    np.testing.assert_allclose(answer(model, body), expected(project, [PIXELS, PIXELS[::-1]]), atol=1e-4)


def test_a_frame_holds_pixels_of_several_sizes_beside_files(
    project: Path, model: mlflow.pyfunc.PyFuncModel
) -> None:
    body = frame(PIXELS.tolist(), PIXELS[:33].tolist(), text(JPEG))
    images = [PIXELS, PIXELS[:33], decode_rgb(JPEG)]
    np.testing.assert_allclose(answer(model, body), expected(project, images), atol=1e-4)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"inputs": [text(JPEG), "no base64!"]},
            "image 2 of 2: a text is expected to be an image file in base64",
        ),
        (frame("data:image/jpeg;base64," + text(JPEG)), "without line breaks or a prefix"),
        ({"inputs": [text(b"hello")]}, "not an image file that can be read whole"),
        ({"inputs": [""]}, "not an image file that can be read whole"),
        ({"inputs": [text(JPEG[: len(JPEG) // 2])]}, "not an image file that can be read whole"),
        ({"inputs": [text(BOMB)]}, "50000 x 50000 is above 120,000,000 pixels"),
        ({"inputs": [text(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")]}, "UnidentifiedImageError"),
        ({"inputs": text(JPEG)}, "put a single one into a list"),
        ({"inputs": PIXELS.tolist()}, rf"image 1 of 40: {WANTED}; got int64 \[31, 3\]"),
        ({"inputs": [PIXELS[:, :, :2].tolist()]}, rf"{WANTED}; got int64 \[40, 31, 2\]"),
        ({"inputs": [PIXELS[:, :, 0].tolist()]}, rf"{WANTED}; got int64 \[40, 31\]"),
        ({"inputs": [(PIXELS / 255).tolist()]}, rf"{WANTED}; got float64"),
        (frame((PIXELS / 255).tolist()), rf"{WANTED}; got float64"),
        ({"inputs": [(PIXELS.astype(int) * 2).tolist()]}, rf"{WANTED}; got numbers from 0 to 510"),
        (frame([[[-1, 0, 0]]]), rf"{WANTED}; got numbers from -1 to 0"),
        (frame([[[10**30, 0, 0]]]), WANTED),
        (frame([[[1, 2, 3]], [[1, 2]]]), "rows of unequal lengths"),
        ({"inputs": [[[[True, True, False]]]]}, rf"{WANTED}; got bool"),
        (frame(None), WANTED),
        ({"inputs": [[]]}, WANTED),
        ({"inputs": []}, "expected at least one image"),
        ({"instances": []}, "expected at least one image"),
        (frame(), "expected at least one image"),
        ({"inputs": {"a": [text(JPEG)], "b": [text(JPEG)]}}, r"one column of images, got 2: \['a', 'b'\]"),
    ],
)
def test_what_is_no_image_is_http_400_that_says_what_is_wanted(
    model: mlflow.pyfunc.PyFuncModel, body: object, words: str
) -> None:
    with pytest.raises(MlflowException) as caught:
        answer(model, body)
    assert caught.value.get_http_status_code() == 400
    said = json.loads(caught.value.serialize_as_json())["message"]
    assert re.search(words, said), said
    assert len(said) < 300, "what was sent is not sent back"


def test_it_reads_the_formats_that_ingest_reads() -> None:
    assert served_model.FORMATS == library.FORMATS


def test_files_and_pixels_of_16_bit_grey_are_served_at_their_depth(tmp_path):
    model, embedded = served(tmp_path, DEEP_GREY)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 65536, (3, 40, 31, 1)).astype(np.uint16)
    np.testing.assert_allclose(model.predict(None, pixels), embedded(pixels), atol=1e-4)
    color = random.integers(0, 256, (40, 31, 3), dtype=np.uint8)
    files = [encoded(image[:, :, 0], format="PNG") for image in pixels]
    files += [encoded(color, format="PNG"), encoded(color[:, :, 0], format="PNG")]
    read = [decode_image(file, DEEP_GREY) for file in files]
    np.testing.assert_allclose(model.predict(None, np.array(files, dtype=object)), embedded(read), atol=1e-4)


def test_pixels_of_five_channels_are_served_and_their_files_refused_in_words(tmp_path):
    model, embedded = served(tmp_path, FIVE)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 31, 5), dtype=np.uint8)
    np.testing.assert_allclose(model.predict(None, pixels), embedded(pixels), atol=1e-4)
    with pytest.raises(
        MlflowException, match="5 channels of 8 bits, whose files it does not read: send pixels"
    ):
        model.predict(None, np.array([b"II*"], dtype=object))
    with pytest.raises(MlflowException, match=r"numbers from 0 to 255, \[height, width, 5\]"):
        model.predict(None, pixels[..., :3])
