"""Configuration of feature extraction and of the measures of features. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field, FilePath, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from dino_pipeline.dino.core.config import frozen

Share = Annotated[float, Field(gt=0, le=1)]


@frozen
class BaselinesConfig:
    """Baselines of the teacher."""

    random_seed: int  # of the randomly initialised backbone
    batch_norm_images: PositiveInt  # train images for the random backbone's batch norm
    pixels_size: PositiveInt  # larger crops are first resized to this side
    histogram_bins: Annotated[int, Field(ge=1, le=256)]  # per channel, of the joint colour histogram


@frozen
class ExtractConfig:
    """Features of every image of the manifest. Mean and std are those of the model's training."""

    resize: PositiveInt  # short side in pixels, bicubic
    crop: PositiveInt  # central square in pixels
    # ViTs: last blocks whose [CLS] form the linear feature; no effect on ConvNets
    num_last_blocks: PositiveInt
    average_patches: bool  # ViTs: append the mean of the last patch tokens
    precision: Literal["fp32", "bf16"]
    batch_size: PositiveInt
    num_workers: NonNegativeInt
    cpu_processes: PositiveInt  # without a GPU; with GPUs, there is one process per GPU
    # Per process; null: torch's choice. Equal bits on two machines need equal numbers.
    num_threads: PositiveInt | None
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

    num_neighbors: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    temperature: PositiveFloat


@frozen
class PictureConfig:
    """The picture of attention (ViT) or of the features' principal components (ConvNet)."""

    num_images: PositiveInt  # held-out images, spread over the test split
    image_size: PositiveInt  # pixels; may exceed the training's size, because position embeddings interpolate


@frozen
class PhotographConfig:
    """A picture from outside the data set, shown above the held-out images in its own shape."""

    image: str | None  # a file, embedded:<name>, or null
    size: PositiveInt  # shorter side in pixels


@frozen
class EvaluateConfig:
    """Measures of stored features."""

    knn: KnnConfig
    linear_head: FilePath | None  # a published head's file, measured in addition to the probe
    picture: PictureConfig
    photograph: PhotographConfig
    num_threads: PositiveInt | None  # as in extract
