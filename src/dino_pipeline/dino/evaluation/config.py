"""Configuration of feature extraction and of the measures of features. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field, FilePath, model_validator

from dino_pipeline.dino.core.config import frozen

Count = Annotated[int, Field(ge=1)]


@frozen
class BaselinesConfig:
    """Baselines of the teacher."""

    random_seed: int  # of the randomly initialised backbone
    batch_norm_images: Count  # train images for the random backbone's batch norm
    pixels_size: Count  # larger crops are first resized to this side
    histogram_bins: Annotated[int, Field(ge=1, le=256)]  # per channel, of the joint colour histogram


@frozen
class ExtractConfig:
    """Features of every image of the manifest. Mean and std are those of the model's training."""

    resize: Count  # short side in pixels, bicubic
    crop: Count  # central square in pixels
    num_last_blocks: Count  # ViTs: last blocks whose [CLS] form the linear feature; no effect on ConvNets
    average_patches: bool  # ViTs: append the mean of the last patch tokens
    precision: Literal["fp32", "bf16"]
    batch_size: Count
    num_workers: Annotated[int, Field(ge=0)]
    cpu_processes: Count  # without a GPU; with GPUs, there is one process per GPU
    # Per process; null: torch's choice. Equal bits on two machines need equal numbers.
    num_threads: Count | None
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
    image_size: Count  # pixels; may exceed the training's size, because position embeddings interpolate


@frozen
class PhotographConfig:
    """A picture from outside the data set, shown above the held-out images in its own shape."""

    image: str | None  # a file, embedded:<name>, or null
    size: Count  # shorter side in pixels


@frozen
class EvaluateConfig:
    """Measures of stored features."""

    knn: KnnConfig
    linear_head: FilePath | None  # a published head's file, measured in addition to the probe
    picture: PictureConfig
    photograph: PhotographConfig
    num_threads: Count | None  # as in extract
