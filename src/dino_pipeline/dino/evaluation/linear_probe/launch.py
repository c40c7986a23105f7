"""Train the linear probes of a model and its baselines, in this process or under torchrun."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.data.manifest import Manifest, write_manifest
from dino_pipeline.dino.evaluation import compute
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.launch import run_workers
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.evaluation.linear_probe.probes import LinearProbes, center_and_scale, read_probes
from dino_pipeline.dino.evaluation.linear_probe.training import train_linear_probes
from dino_pipeline.dino.evaluation.model_features import feature_functions
from dino_pipeline.dino.launching import torchrun


@frozen
class ProbeSpec:
    """The whole input of a worker, as JSON."""

    manifest: str  # the train split
    image_root: str
    model: str
    normalisations: str  # safetensors, <network>.center and <network>.scale
    probes: str  # output file of rank 0
    extract: ExtractConfig
    probe: LinearProbeConfig


def linear_probes(
    train: Manifest,
    model: Path,
    features: Mapping[str, Features],
    extract: ExtractConfig,
    config: LinearProbeConfig,
) -> dict[str, LinearProbes]:
    """Train classifiers for each kind of features. Any number of processes gives the same result up to rounding.

    Args:
        train: images, each with a label.
        model: a published model's folder.
        features: stored features of these images and others, by network or baseline; train's center and scale come
            from them.

    Raises:
        WorkersFailedError: with the error of the first worker that failed.
    """
    normalisations = {
        name: center_and_scale(torch.from_numpy(stored.split("train").for_linear_probe))
        for name, stored in features.items()
    }
    if torchrun.num_processes(extract.cpu_processes) == 1:
        return probe_model(train, model, normalisations, extract, config, device=compute.device())
    with tempfile.TemporaryDirectory(prefix="probe-") as name:
        folder = Path(name)
        spec = ProbeSpec(
            manifest=str(folder / "manifest.parquet"),
            image_root=str(train.root),
            model=str(model),
            normalisations=str(folder / "normalisations.safetensors"),
            probes=str(folder / "probes.safetensors"),
            extract=extract,
            probe=config,
        )
        write_manifest(train, Path(spec.manifest))
        write_normalisations(Path(spec.normalisations), normalisations)
        run_workers("dino_pipeline.dino.evaluation.linear_probe.worker", spec, folder, extract)
        return read_probes(Path(spec.probes))


def probe_model(
    train: Manifest,
    model: Path,
    normalisations: Mapping[str, tuple[Tensor, Tensor]],
    extract: ExtractConfig,
    config: LinearProbeConfig,
    *,
    device: torch.device,
) -> dict[str, LinearProbes]:
    """Train the probes in one process, alone or as one of several."""
    with compute.fixed_threads(extract.num_threads):
        functions, transform = feature_functions(model, train, extract, device=device, only=normalisations)
        return train_linear_probes(
            train,
            functions,
            normalisations,
            transform,
            config,
            num_workers=extract.num_workers,
            device=device,
        )


def write_normalisations(path: Path, normalisations: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Write center and scale of each network."""
    named = {f"{name}.center": center for name, (center, _) in normalisations.items()}
    save_file(named | {f"{name}.scale": scale for name, (_, scale) in normalisations.items()}, path)


def read_normalisations(path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Read what `write_normalisations` wrote."""
    tensors = load_file(path)
    names = [key.removesuffix(".center") for key in tensors if key.endswith(".center")]
    return {name: (tensors[f"{name}.center"], tensors[f"{name}.scale"]) for name in names}
