"""Propagate annotated first frames to masks of whole videos, and score the masks as DAVIS does."""

from pathlib import Path
from typing import Any

from dino_pipeline.dino.evaluation.table import aligned
from dino_pipeline.dino.evaluation.video_segmentation.config import VideoSegmentationConfig
from dino_pipeline.dino.evaluation.video_segmentation.videos import Video
from dino_pipeline.evaluations.evaluation import EXTRACT, Context, Evaluation, Folder, Results

_MASKS = "video_masks"


def find_videos(project_folder: Path, config: VideoSegmentationConfig) -> list[Video]:
    """Find the annotated videos, and check that each is complete before any computation.

    Raises:
        ValueError: no folder is named, or the folder does not have the layout of DAVIS.
    """
    from dino_pipeline.dino.evaluation.video_segmentation.videos import list_videos, read_first_annotation

    if config.folder is None:
        raise ValueError(
            "video_segmentation.folder is null: give a folder of videos in the layout of DAVIS, for example "
            "--params=video_segmentation.folder=path/to/DAVIS"
        )
    videos = list_videos(project_folder / config.folder, config)
    for video in videos:
        read_first_annotation(video)
    return videos


def run(context: Context[VideoSegmentationConfig]) -> Results:
    """Write masks as indexed PNG files into the folder, then the table of scores, J and F."""
    from dino_pipeline.dino.evaluation.networks import load_networks
    from dino_pipeline.dino.evaluation.video_segmentation.scores import (
        segment_and_score,
        summarise,
        write_scores,
    )

    config, device, folder = context.config, context.device, context.folder(_MASKS)
    train = context.images.split("train")
    networks = load_networks(context.model, train, context.extract, device=device)
    networks.require_photographs("video_segmentation")
    scores = segment_and_score(
        {name: networks.backbones[name] for name in config.networks},
        context.found,
        config,
        folder=folder,
        mean=networks.transform.mean,
        std=networks.transform.std,
        device=device,
    )
    write_scores(scores, folder / "scores.csv")
    report = summarise(scores)
    return Results(
        report=report,
        metrics={
            f"{network}/{name}": value
            for network, values in report["networks"].items()
            for name, value in values.items()
        },
        text=f"video segmentation, in percent\n{_table(report)}",
    )


def plot(context: Context[VideoSegmentationConfig], _results: Results) -> object:
    """Plot a strip of frames with masks over them."""
    from dino_pipeline.evaluations.video_segmentation.plot import picture

    videos = context.found[: context.config.picture.num_videos]
    return picture(videos, context.folder(_MASKS), context.config)


def _table(report: dict[str, Any]) -> str:
    """A row per network: J&F, J and F, then J&F of each video."""
    networks, videos = report["networks"], report["videos"]
    columns = {"J&F": "j_and_f", "J": "j_mean", "F": "f_mean"}
    names = list(next(iter(videos.values())))
    rows = [["", *columns, *names]]
    for network, values in networks.items():
        shares = [*(values[key] for key in columns.values()), *(videos[network][name] for name in names)]
        rows.append([network, *(f"{100 * share:.1f}" for share in shares)])
    return aligned(rows)


EVALUATION = Evaluation(
    name="video_segmentation",
    description="Masks of whole videos from annotated first frames; DVC does not watch the videos",
    config=VideoSegmentationConfig,
    needs=("manifest", EXTRACT),
    after="pretrain",
    outputs={
        _MASKS: Folder("07_model_output/video_masks", marker="scores.csv"),
        "video_segmentation": "video_segmentation.json",
        "video_segmentation_picture": "video_segmentation.png",
    },
    run=run,
    check=find_videos,
    plot=plot,
)
