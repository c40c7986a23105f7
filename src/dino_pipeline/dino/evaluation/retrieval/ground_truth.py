"""The ground truth of revisited Oxford and Paris (arXiv:1803.11285). Reading its pickle executes nothing."""

import codecs
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]


class GroundTruth(NamedTuple):
    """Names of images without .jpg, and the images that each query should find, as positions in `images`."""

    images: list[str]
    queries: list[str]
    boxes: NDArray[np.float64]  # [queries, 4]: left, top, right, bottom of the landmark in pixels
    easy: list[Positions]
    hard: list[Positions]
    junk: list[Positions]


def read_ground_truth(path: Path) -> GroundTruth:
    """Read gnd_roxford5k.pkl, gnd_rparis6k.pkl or a similar file.

    Raises:
        ValueError: the file is missing, it holds more than plain containers, strings, numbers and numpy arrays, or its
            content is not a ground truth.
    """
    if not path.is_file():
        raise ValueError(
            f"{path} does not exist: give the folder of a revisited data set, with its ground truth and jpg/"
        )
    with path.open("rb") as file:
        try:
            content = _PlainUnpickler(file).load()
        except _READ_ERRORS as error:
            raise ValueError(f"{path} is not a pickle of plain data: {error}") from error
    try:
        return _checked(content)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not the ground truth of a revisited data set: {error!r}") from error


# Exceptions of the unpickler for a damaged or malicious stream.
_READ_ERRORS = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """The encoding of bytes in protocols 0 to 2. `codecs.encode` itself would allow any registered codec."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes are encoded as {encoding}, not as latin1")
    return codecs.latin_1_encode(text)[0]


def _empty_bytes() -> bytes:
    """The encoding of zero bytes in the same protocols, for an empty array."""
    return b""


_array_makers: dict[str, Any] = {
    "_reconstruct": np.empty(0).__reduce__()[0],
    "scalar": np.float64(0).__reduce__()[0],
    "_frombuffer": np.empty(0).__reduce_ex__(5)[0],
}
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
    # numpy 1 wrote numpy.core, numpy 2 writes numpy._core
    **{
        (f"numpy.{core}.{module}", name): _array_makers[name]
        for core in ("core", "_core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    },
}


class _PlainUnpickler(pickle.Unpickler):
    """Rebuilds containers, strings, numbers and numpy arrays; never looks up any other name from the stream."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not data")
        return _ADMITTED[module, name]


def _checked(content: Any) -> GroundTruth:
    images, queries, truths = content["imlist"], content["qimlist"], content["gnd"]
    if len(queries) != len(truths):
        raise ValueError(f"{len(queries)} queries but {len(truths)} entries in gnd")
    return GroundTruth(
        images=[_file_name(name) for name in images],
        queries=[_file_name(name) for name in queries],
        boxes=np.array([np.asarray(truth["bbx"], dtype=np.float64).reshape(4) for truth in truths]),
        easy=[_positions(truth["easy"], len(images)) for truth in truths],
        hard=[_positions(truth["hard"], len(images)) for truth in truths],
        junk=[_positions(truth["junk"], len(images)) for truth in truths],
    )


def _file_name(name: Any) -> str:
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"{name!r} is not a file name")
    return name


def _positions(values: Sequence[int], num_images: int) -> Positions:
    positions = np.asarray(values)
    if positions.size == 0:
        return np.empty(0, dtype=np.int64)
    if positions.dtype.kind not in "iu" or positions.ndim != 1:
        raise ValueError(f"positions must be whole numbers, got {positions.dtype} {list(positions.shape)}")
    if positions.min() < 0 or positions.max() >= num_images:
        raise ValueError(f"position {positions.max()} lies outside the {num_images} images")
    return positions.astype(np.int64)
