"""The registered model's code, which MLflow stores beside the weights and runs where this package is not.

Needs torch, numpy and Pillow. Its preprocessing equals the evaluation crop's.
"""

import base64
import binascii
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from PIL import Image, ImageOps
from torch.nn import functional as F

BATCH_SIZE = 64


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
            model_input: pixels [N, H, W, channels], uint8 or, for a model of 16 bits, uint16; or encoded files,
                as bytes or as base64 text, in an array of objects or in a data frame's only column. Files of
                other than grey or 8-bit RGB are read by the caller, and come as pixels.
        """
        images = _listed(model_input)
        batches = [
            self._embed(images[start : start + BATCH_SIZE]) for start in range(0, len(images), BATCH_SIZE)
        ]
        return np.concatenate(batches)

    def _embed(self, images: list[Any]) -> np.ndarray:
        crops = torch.stack([self._crop(self._pixels(image)) for image in images])
        mean, std = (torch.tensor(self.preprocessing[key]).view(1, -1, 1, 1) for key in ("mean", "std"))
        white = torch.iinfo(crops.dtype).max
        with torch.no_grad():
            embeddings: torch.Tensor = self.network((crops.float() / white - mean) / std)
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
            except binascii.Error as error:
                raise ValueError("a text is expected to be an image file in base64") from error
        if isinstance(image, (bytes, bytearray, memoryview)):
            return _decoded(bytes(image), channels, bits)
        pixels = np.asarray(image)
        dtype, white = np.dtype(f"uint{bits}"), 2**bits - 1
        if pixels.dtype == object or pixels.dtype == np.int64:  # lists, as JSON brings them
            pixels = np.asarray(image, dtype=np.int64)
            if pixels.min() < 0 or pixels.max() > white:
                raise ValueError(f"pixels go from 0 to {white}, got {pixels.min()} to {pixels.max()}")
            pixels = pixels.astype(dtype)
        if pixels.dtype != dtype or pixels.ndim != 3 or pixels.shape[2] != channels:
            raise ValueError(
                f"an image is {dtype} [height, width, {channels}], got {pixels.dtype} {list(pixels.shape)}"
            )
        return pixels


def _resample(pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if pixels.dtype == torch.uint8:
        return F.interpolate(pixels, size, mode="bicubic", antialias=True)
    resized = F.interpolate(pixels.float(), size, mode="bicubic", antialias=True)
    return resized.round().clamp(0, torch.iinfo(pixels.dtype).max).to(pixels.dtype)


def _listed(model_input: Any) -> list[Any]:
    if hasattr(model_input, "columns"):
        if len(model_input.columns) != 1:
            raise ValueError(f"expected one column of images, got {list(model_input.columns)}")
        model_input = model_input.iloc[:, 0]
    images = list(model_input)
    if not images:
        raise ValueError("expected at least one image")
    return images


def _decoded(data: bytes, channels: int, bits: int) -> np.ndarray:
    if channels not in (1, 3) or (channels, bits) == (3, 16):
        raise ValueError(
            f"this model's images have {channels} channels of {bits} bits, whose files it does not read: send "
            f"pixels, uint{bits} [height, width, {channels}]"
        )
    with Image.open(io.BytesIO(data)) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode == "I" or image.mode.startswith("I;16"):
            grey = np.asarray(image).astype(np.uint32)
            pixels = grey.astype(np.uint16) if bits == 16 else ((grey + 128) // 257).astype(np.uint8)
            return np.repeat(pixels[:, :, None], channels, axis=2)
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        if channels == 3:
            return np.asarray(image.convert("RGB"))
        grey = np.asarray(image.convert("L"))[:, :, None]
        return grey if bits == 8 else grey.astype(np.uint16) * 257


set_model(ServedBackbone())
