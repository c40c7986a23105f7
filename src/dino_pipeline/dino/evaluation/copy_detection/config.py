"""Configuration of copy detection. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from dino_pipeline.dino.core.config import frozen


@frozen
class OtherImagesConfig:
    """Images from outside the data set: from a folder, or from a split of the manifest."""

    folder: str | None
    split: Literal["train", "val", "test"] | None
    num_images: PositiveInt  # upper limit; evenly spaced

    @model_validator(mode="after")
    def _one_source(self) -> "OtherImagesConfig":
        if self.folder is not None and self.split is not None:
            raise ValueError(
                f"both a folder ({self.folder}) and a split ({self.split}) are given: set one to null"
            )
        return self


@frozen
class WhiteningConfig:
    """PCA whitening."""

    images: OtherImagesConfig
    eigenvalue_floor: Annotated[float, Field(gt=0, lt=1)]  # of the largest; smaller ones are raised to it

    @field_validator("images")
    @classmethod
    def _has_images(cls, images: OtherImagesConfig) -> OtherImagesConfig:
        if images.folder is None and images.split is None:
            raise ValueError("whitening is learned on images: give a folder or a split")
        return images


@frozen
class CopyPictureConfig:
    """The picture of originals with their copies."""

    num_originals: PositiveInt
    num_copies: PositiveInt  # of each original, spread over the kinds of attack
    image_size: PositiveInt  # pixels


@frozen
class CopyDetectionConfig:
    """Descriptors of images resized to a square, and the images to search."""

    folder: str | None  # in Copydays' layout; no default
    image_size: PositiveInt | None  # pixels, for both sides; null: extract's crop
    gem_power: PositiveFloat
    depth: PositiveInt  # an original found at a later place scores 0
    whitening: WhiteningConfig
    distractors: OtherImagesConfig
    picture: CopyPictureConfig
    num_threads: PositiveInt | None  # as in extract
