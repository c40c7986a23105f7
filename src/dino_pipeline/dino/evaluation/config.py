"""What is extracted from images and how features are measured (light: imports no torch)."""

from typing import Annotated, Literal

from pydantic import Field, FilePath, model_validator

from dino_pipeline.dino.core.config import frozen

Count = Annotated[int, Field(ge=1)]


@frozen
class BaselinesConfig:
    """What the teacher is compared with."""

    random_seed: int  # of the randomly initialised backbone
    batch_norm_images: Count  # train images that give a random backbone's batch norm its statistics
    pixels_size: Count  # larger crops are resized to this side before they are flattened
    histogram_bins: Annotated[int, Field(ge=1, le=256)]  # per channel, of the joint colour histogram


@frozen
class ExtractConfig:
    """Features of every image of the manifest; mean and std are those of the model's training."""

    resize: Count  # short side in pixels, bicubic
    crop: Count  # central square in pixels
    num_last_blocks: (
        Count  # ViTs: blocks whose [CLS] the linear feature joins; a ConvNet has its pooled feature
    )
    average_patches: bool  # ViTs: the mean of the last patch tokens is joined too
    precision: Literal["fp32", "bf16"]
    batch_size: Count
    num_workers: Annotated[int, Field(ge=0)]
    cpu_processes: Count  # where there is no GPU; with GPUs, one for each
    num_threads: (
        Count | None
    )  # a process; null: torch's choice; equal bits on two machines need equal numbers
    baselines: BaselinesConfig

    @model_validator(mode="after")
    def _crop_lies_inside(self) -> "ExtractConfig":
        if self.crop > self.resize:
            raise ValueError(
                f"extract.crop is {self.crop}, larger than the short side extract.resize of {self.resize}: set it to "
                f"{self.resize} or less"
            )
        return self


@frozen
class KnnConfig:
    """Weighted k-NN."""

    num_neighbors: Annotated[tuple[Count, ...], Field(min_length=1)]
    temperature: Annotated[float, Field(gt=0)]


@frozen
class PictureConfig:
    """The picture of attention (ViT) or of the features' principal components (ConvNet)."""

    num_images: Count  # held-out images, spread over the test split
    image_size: Count  # pixels; position embeddings interpolate, so it may exceed the training's


@frozen
class PhotographConfig:
    """A whole picture that no training saw, drawn above the held-out images in its own shape."""

    image: str | None  # a file, embedded:<name>, or none
    size: Count  # of its shorter side in pixels


@frozen
class EvaluateConfig:
    """Measures of stored features."""

    knn: KnnConfig
    linear_head: FilePath | None  # a published head's file, measured beside the probe
    picture: PictureConfig
    photograph: PhotographConfig
    num_threads: Count | None  # as in extract
