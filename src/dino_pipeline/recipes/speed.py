"""Measure this machine for some seconds: real steps of the work that a run consists of, on a few images."""

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import torch

from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.core.data.multi_crop import multi_crop
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step
from dino_pipeline.dino.evaluation import baselines, compute
from dino_pipeline.dino.evaluation.config import EvaluateConfig, ExtractConfig
from dino_pipeline.dino.evaluation.extraction import backbone_features, extract_features
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.evaluation.linear_probe.probes import center_and_scale
from dino_pipeline.dino.evaluation.linear_probe.training import train_linear_probes
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.launching.cores import num_cores
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.metrics.knn import knn_accuracy
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.recipes.cost import training_cost

_STEPS = 3  # the first also allocates and is not counted
_FLOPS_A_STEP = 1e11  # on CPU a second or two; a few images then fill a core
_SECONDS = 1.0  # of a measurement of features
_THREAD_GAIN = 0.6  # an assumption: what each thread beyond the first adds to extract, probe and k-NN
_ROWS, _QUERIES = 4096, 256  # of the measured k-NN
_DIMENSIONS = 64, 1024


class RunConfig(NamedTuple):
    """The parameters of a recipe that decide its cost."""

    ingest: IngestConfig
    pretrain: PretrainConfig
    monitoring: MonitoringConfig
    launch: LaunchConfig
    extract: ExtractConfig
    probe: LinearProbeConfig
    evaluate: EvaluateConfig

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Read the groups of a recipe's parameters.

        Raises:
            ValueError: a value is wrong.
        """
        kinds = cls.__annotations__
        return cls(**{name: from_dict(kind, parameters[name]) for name, kind in kinds.items()})


class Speed(NamedTuple):
    """Seconds of this machine, and the sizes of the features that it computed.

    Attributes:
        decode: one core reads, hashes and decodes an image.
        views: one core decodes an image and cuts its views.
        step: one training process takes its share of a step, for each image.
        features: one process computes an image's features by all networks, without decoding.
        probe: one process trains the linear probes on a view, without decoding.
        knn_pair: one process compares a query with a train image by k-NN, whatever their dimensions.
        knn_product: what each dimension adds to that.
        dimensions: numbers an image by network, and by network for the linear probe.
    """

    decode: float
    views: float
    step: float
    features: float
    probe: float
    knn_pair: float
    knn_product: float
    dimensions: Mapping[str, tuple[int, int]]


def measure_speed(config: RunConfig, sample: Sequence[bytes], *, root: Path = Path()) -> Speed:
    """Run the work of each stage on a few images. On CPU this counts processor time of one thread.

    So it also holds beside other work, which may end soon. What more threads gain is assumed, not measured.

    Args:
        sample: encoded images, at least one.
        root: the project folder, where the user's own loss files lie.
    """
    pretrain, extract = config.pretrain, config.extract
    device = compute.device()
    transform = EvaluationTransformConfig(
        resize=extract.resize,
        crop=extract.crop,
        images=pretrain.images,
        mean=_numbers(pretrain.mean, pretrain.images.channels),
        std=_numbers(pretrain.std, pretrain.images.channels),
    )
    num_threads = (
        1 if device.type == "cuda" else extract.num_threads or min(torch.get_num_threads(), num_cores())
    )
    threads = 1 + _THREAD_GAIN * (num_threads - 1)
    with _one_thread(), tempfile.TemporaryDirectory() as folder:
        decode = _seconds(lambda: [_decoded(data, pretrain) for data in sample], "cpu") / len(sample)
        views = _seconds(lambda: [_views(data, pretrain) for data in sample], "cpu") / len(sample)
        functions = {
            name: backbone_features(build_backbone(pretrain.network), transform, extract, device=device)
            for name in ("teacher", "student", "random")
        }
        functions["pixels"] = baselines.pixel_features(transform, extract.baselines)
        functions["histogram"] = baselines.histogram_features(extract.baselines)
        serial = replace(extract, num_workers=0)

        def features(images: Manifest) -> Any:
            return extract_features(images, functions, transform, serial, device=device)

        few = _images(sample, 2, Path(folder))
        features(few)  # allocates
        an_image = _seconds(lambda: features(few), device.type) / 2
        many = _images(sample, int(min(config.probe.batch_size, max(2, _SECONDS // an_image))), Path(folder))
        found = features(many)
        normalisations = {
            name: center_and_scale(torch.from_numpy(stored.for_linear_probe))
            for name, stored in found.items()
        }
        probe = replace(config.probe, epochs=1)
        features_seconds, probe_seconds = (
            max(0.0, _seconds(work, device.type) / len(many) - decode) / threads
            for work in (
                lambda: features(many),
                lambda: train_linear_probes(
                    many, functions, normalisations, transform, probe, num_workers=0, device=device
                ),
            )
        )
        few_dimensions, many_dimensions = (
            _knn_seconds(config, number, device) / (_ROWS * _QUERIES) / threads for number in _DIMENSIONS
        )
    low, high = _DIMENSIONS
    knn_product = max(0.0, many_dimensions - few_dimensions) / (high - low)
    return Speed(
        decode,
        views,
        step_seconds(pretrain, config.launch, root),
        features_seconds,
        probe_seconds,
        max(0.0, few_dimensions - low * knn_product),
        knn_product,
        {
            name: (stored.embedding.shape[1], stored.for_linear_probe.shape[1])
            for name, stored in found.items()
        },
    )


def step_seconds(config: PretrainConfig, launch: LaunchConfig, root: Path) -> float:
    """Seconds that one process takes for an image of a training step, measured in real steps on crops of noise.

    The steps use float32 where this machine would emulate the requested bfloat16: three such steps can take an hour.
    """
    device = compute.device()
    if config.precision == "bf16" and not multiplies_bfloat16(device.type):
        config = replace(config, precision="fp32")
    num_images = config.batch_size // num_processes(launch.cpu_processes) // config.accumulation_steps
    if device.type == "cpu":
        flops = training_cost(config, root=root).flops_per_image
        num_images = min(num_images, max(2, int(_FLOPS_A_STEP // flops)))
    small = replace(config, batch_size=num_images, accumulation_steps=1)
    crops = config.multi_crop
    random = torch.Generator().manual_seed(0)
    channels = config.images.channels
    globals_, locals_ = (
        torch.randn(count, num_images, channels, size, size, generator=random).to(device)
        for count, size in (
            (2, crops.global_crop_size),
            (crops.num_local_crops, crops.local_crop_size),
        )
    )
    state = TrainingState(small, device, root=root)
    labels = torch.zeros(small.batch_size, dtype=torch.int64, device=device)

    def step(_: int = 0) -> None:
        training_step(
            state, small, globals_, locals_, schedule_values(small, 0, 1, steps_per_epoch=1), labels
        )

    threads = torch.get_num_threads()
    torch.set_num_threads(launch.threads_per_process)
    try:
        step()
        seconds = _seconds(lambda: list(map(step, range(_STEPS - 1))), device.type) / (_STEPS - 1)
    finally:
        torch.set_num_threads(threads)
    # Processor time counts each thread.
    return seconds / num_images / (launch.threads_per_process if device.type == "cpu" else 1)


def _seconds(work: Callable[[], object], device_type: str) -> float:
    """Time of one call: of this process's processor on CPU, else until the GPU is done."""
    clock = time.perf_counter if device_type == "cuda" else time.process_time
    start = clock()
    work()
    if device_type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _numbers(values: Sequence[float] | str, channels: int) -> tuple[float, ...]:
    """Mean or std; any will do for a measurement where they are measured before the training."""
    return (0.5,) * channels if isinstance(values, str) else tuple(values)


def _decoded(data: bytes, config: PretrainConfig) -> object:
    return hashlib.sha256(data).digest(), decode_image(data, config.images)


def _views(data: bytes, config: PretrainConfig) -> object:
    return multi_crop(decode_image(data, config.images), config.multi_crop, seed=0, epoch=0, place=0)


def _images(sample: Sequence[bytes], count: int, folder: Path) -> Manifest:
    """A manifest of `count` train images of two classes, from the sample over and over."""
    for number, data in enumerate(sample):
        (folder / str(number)).write_bytes(data)
    rows = [
        {
            "path": str(number % len(sample)),
            "split": "train",
            "label": "ab"[number % 2],
            "width": 0,
            "height": 0,
            "bytes": len(sample[number % len(sample)]),
            "sha256": "",
        }
        for number in range(count)
    ]
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), folder, np.arange(count))


def _knn_seconds(config: RunConfig, dimension: int, device: torch.device) -> float:
    random = torch.Generator().manual_seed(0)
    rows, queries = (
        torch.randn(count, dimension, generator=random).to(device) for count in (_ROWS, _QUERIES)
    )
    classes = [torch.arange(count, device=device) % 10 for count in (_ROWS, _QUERIES)]

    def search() -> object:
        knn = config.evaluate.knn
        return knn_accuracy(
            rows,
            classes[0],
            queries,
            classes[1],
            num_neighbors=knn.num_neighbors,
            temperature=knn.temperature,
        )

    search()
    return _seconds(search, device.type)
