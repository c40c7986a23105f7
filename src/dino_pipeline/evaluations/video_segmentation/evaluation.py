"""Nodes of the video_segmentation pipeline."""

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.video_segmentation.config import VideoSegmentationConfig
from dino_pipeline.dino.evaluation.video_segmentation.videos import Video

logger = logging.getLogger(__name__)


def find_videos(project_folder: Path, config: VideoSegmentationConfig) -> list[Video]:
    """The annotated videos, each checked to be whole before anything is computed.

    Raises:
        ValueError: no folder is named, or what lies there is not laid out as DAVIS.
    """
    from dino_pipeline.dino.evaluation.video_segmentation.videos import list_videos, read_first_annotation

    if config.folder is None:
        raise ValueError(
            "video_segmentation.folder is null, and there is no set of videos by default: give a folder laid out as "
            "DAVIS is, for instance --params=video_segmentation.folder=path/to/DAVIS"
        )
    videos = list_videos(project_folder / config.folder, config)
    for video in videos:
        read_first_annotation(video)
    return videos


def segment_videos(
    videos: list[Video],
    manifest: Any,
    project_folder: Path,
    model: Path,
    video_masks_folder: Path,
    extract: ExtractConfig,
    config: VideoSegmentationConfig,
) -> tuple[Path, dict[str, Any], Any]:
    """Masks as indexed PNG files, J and F logged to the model's run, and a strip of frames with masks over them.

    Returns:
        The folder of masks, whose table of scores is written last; the scores; the picture.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.networks import load_networks
    from dino_pipeline.dino.evaluation.video_segmentation.scores import (
        segment_and_score,
        summarise,
        write_scores,
    )
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.evaluations.video_segmentation.plot import picture

    shutil.rmtree(video_masks_folder)  # an earlier run's masks, or what an interrupted one has left
    device = compute.device()
    train = Manifest.from_pandas(manifest, project_folder).split("train")
    with compute.fixed_threads(config.num_threads):
        networks = load_networks(model, train, extract, device=device)
        networks.require_photographs("video_segmentation")
        scores = segment_and_score(
            {name: networks.backbones[name] for name in config.networks},
            videos,
            config,
            folder=video_masks_folder,
            mean=networks.transform.mean,
            std=networks.transform.std,
            device=device,
        )
    write_scores(scores, video_masks_folder / "scores.csv")
    report = summarise(scores)
    logger.info("video segmentation, in percent\n%s", _table(report))
    strip = picture(videos[: config.picture.num_videos], video_masks_folder, config)

    run = tracking.model_run(read_model(model).fingerprint)
    run.log_metrics(
        {
            f"video_segmentation/{network}/{name}": value
            for network, values in report["networks"].items()
            for name, value in values.items()
        }
    )
    run.log_json(report, "video_segmentation.json")
    run.log_json(to_dict(config), "video_segmentation_parameters.json")
    with tempfile.TemporaryDirectory() as folder:
        strip.save(Path(folder) / "video_segmentation.png")
        run.log_artifact(Path(folder) / "video_segmentation.png")
    return video_masks_folder, report, strip


def _table(report: dict[str, Any]) -> str:
    """A row a network: J&F, J and F, then J&F of each video."""
    networks, videos = report["networks"], report["videos"]
    columns = {"J&F": "j_and_f", "J": "j_mean", "F": "f_mean"}
    names = list(next(iter(videos.values())))
    lines = ["  ".join([f"{'':8}", *(f"{title:>5}" for title in columns), *(f"{name:>5}" for name in names)])]
    for network, values in networks.items():
        cells = [f"{100 * values[key]:5.1f}" for key in columns.values()]
        cells += [f"{100 * videos[network][name]:{max(5, len(name))}.1f}" for name in names]
        lines.append("  ".join([f"{network:8}", *cells]))
    return "\n".join(lines)
