"""The registered model's code, which MLflow stores beside the weights and runs where this package is not.

Needs torch, numpy and Pillow. Its preprocessing equals the evaluation crop's.
"""

import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel
from PIL import Image, ImageOps
from torch.nn import functional as F

BATCH_SIZE = 64
MAX_PIXELS = 120_000_000
# Named, so that a file can only reach decoders of plain pictures (Pillow would hand an .eps to Ghostscript).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")
# What Pillow raises on damaged files, and by itself on far too large ones.
DECODER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class InputError(MlflowException):
    """What was sent cannot be embedded: MLflow's server answers HTTP 400 with this text."""

    def __init__(self, text: str) -> None:
        super().__init__(text, error_code=INVALID_PARAMETER_VALUE)
        self.text = text

    def serialize_as_json(self) -> str:
        """The answer's body, without what the server adds to the message: all of its input, perhaps megabytes."""
        return json.dumps({"error_code": self.error_code, "message": self.text})


class ServedBackbone(PythonModel):
    """Images to embeddings, float32 [N, dimensions], not normalised."""

    def load_context(self, context: Any) -> None:
        """Load the network and how its input is prepared."""
        self.network = torch.export.load(context.artifacts["backbone"]).module()
        self.preprocessing = json.loads(Path(context.artifacts["preprocessing"]).read_text())

    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> np.ndarray:
        """Embed a batch.

        Args:
            model_input: pixels [N, H, W, channels], uint8 or, for a model of 16 bits, uint16, or as JSON's whole
                numbers; or encoded files, as bytes or as base64 text, in an array of objects; either also in the
                only column of a data frame or of a dictionary. Files of other than grey or 8-bit RGB are read by
                the caller, and come as pixels.

        Raises:
            InputError: one of them is no such image; says which and why.
        """
        images = _listed(model_input)
        return np.concatenate([self._embed(images, start) for start in range(0, len(images), BATCH_SIZE)])

    def _embed(self, images: list[Any], start: int) -> np.ndarray:
        crops = []
        for number, image in enumerate(images[start : start + BATCH_SIZE], start=start + 1):
            try:
                crops.append(self._crop(self._pixels(image)))
            except InputError as error:
                raise InputError(f"image {number} of {len(images)}: {error.text}") from error
        pixels = torch.stack(crops)
        mean, std = (torch.tensor(self.preprocessing[key]).view(1, -1, 1, 1) for key in ("mean", "std"))
        white = torch.iinfo(pixels.dtype).max
        with torch.no_grad():
            embeddings: torch.Tensor = self.network((pixels.float() / white - mean) / std)
        return embeddings.numpy()

    def _crop(self, image: np.ndarray) -> torch.Tensor:
        resize, crop = self.preprocessing["resize"], self.preprocessing["crop"]
        height, width = image.shape[:2]
        short = min(height, width)
        size = (int(resize * height / short), int(resize * width / short))
        pixels = torch.from_numpy(np.require(image, requirements=["C", "W"])).permute(2, 0, 1).unsqueeze(0)
        if size != (height, width):
            pixels = _resample(pixels, size)
        top, left = round((size[0] - crop) / 2), round((size[1] - crop) / 2)
        return pixels[0, :, top : top + crop, left : left + crop]

    def _pixels(self, image: Any) -> np.ndarray:
        """[H, W, channels] of pixels, of an encoded file, or of one in base64."""
        channels, bits = self.preprocessing["channels"], self.preprocessing["bits"]
        if isinstance(image, str):
            try:
                image = base64.b64decode(image, validate=True)
            except ValueError as error:
                raise InputError(
                    "a text is expected to be an image file in base64, without line breaks or a prefix"
                ) from error
        if isinstance(image, (bytes, bytearray, memoryview)):
            return _decoded(bytes(image), channels, bits)
        return _checked(image, channels, bits)


def _resample(pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if pixels.dtype == torch.uint8:
        return F.interpolate(pixels, size, mode="bicubic", antialias=True)
    resized = F.interpolate(pixels.float(), size, mode="bicubic", antialias=True)
    return resized.round().clamp(0, torch.iinfo(pixels.dtype).max).to(pixels.dtype)


def _listed(model_input: Any) -> list[Any]:
    if isinstance(model_input, dict) or hasattr(model_input, "columns"):
        columns = list(model_input)
        if len(columns) != 1:
            raise InputError(f"expected one column of images, got {len(columns)}: {columns}")
        model_input = model_input[columns[0]]
    try:
        images = list(model_input)
    except TypeError as error:
        raise InputError("expected a list of images: put a single one into a list") from error
    if not images:
        raise InputError("expected at least one image")
    return images


def _checked(image: Any, channels: int, bits: int) -> np.ndarray:
    """Pixels as they are, or JSON's whole numbers as the model's."""
    dtype, white = np.dtype(f"uint{bits}"), 2**bits - 1
    wanted = f"an image is an image file in base64, or whole numbers from 0 to {white}, [height, width, {channels}]"
    try:
        pixels = np.asarray(image)
        if pixels.dtype == object:  # rows that a data frame holds as arrays
            pixels = np.asarray(pixels.tolist())
    except (ValueError, OverflowError) as error:
        raise InputError(f"{wanted}; got rows of unequal lengths or numbers beyond 64 bits") from error
    if pixels.ndim != 3 or pixels.shape[2] != channels or 0 in pixels.shape:
        raise InputError(f"{wanted}; got {pixels.dtype} {list(pixels.shape)}")
    if pixels.dtype == np.int64:  # as JSON brings them
        if pixels.min() < 0 or pixels.max() > white:
            raise InputError(f"{wanted}; got numbers from {pixels.min()} to {pixels.max()}")
        return pixels.astype(dtype)
    if pixels.dtype != dtype:
        raise InputError(f"{wanted}; got {pixels.dtype} {list(pixels.shape)}")
    return pixels


def _decoded(data: bytes, channels: int, bits: int) -> np.ndarray:
    if channels not in (1, 3) or (channels, bits) == (3, 16):
        raise InputError(
            f"this model's images have {channels} channels of {bits} bits, whose files it does not read: send "
            f"pixels, uint{bits} [height, width, {channels}]"
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as file:
            if file.width * file.height > MAX_PIXELS:  # by the header, before a pixel is decoded
                raise InputError(f"{file.width} x {file.height} is above {MAX_PIXELS:,} pixels")
            return _as_asked(ImageOps.exif_transpose(file), channels, bits)
    except DECODER_ERRORS as error:
        raise InputError(
            f"not an image file that can be read whole ({', '.join(FORMATS)}): {type(error).__name__}"
        ) from error


def _as_asked(image: Image.Image, channels: int, bits: int) -> np.ndarray:
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 65535:
            raise InputError("32-bit grey has no defined white")
        grey = grey.astype(np.uint32)
        pixels = grey.astype(np.uint16) if bits == 16 else ((grey + 128) // 257).astype(np.uint8)
        return np.repeat(pixels[:, :, None], channels, axis=2)
    if image.mode == "F":
        raise InputError("floating-point images have no defined white")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    if channels == 3:
        return np.asarray(image.convert("RGB"))
    grey = np.asarray(image.convert("L"))[:, :, None]
    return grey if bits == 8 else grey.astype(np.uint16) * 257


set_model(ServedBackbone())
