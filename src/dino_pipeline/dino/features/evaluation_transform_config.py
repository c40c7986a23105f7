"""Configuration of the crop that a backbone's features are computed from. Imports no torch."""

from pydantic import PositiveInt, model_validator

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.data.images_config import ImagesConfig


@frozen
class EvaluationTransformConfig:
    """Sizes in pixels; `mean` and `std` per channel on the scale 0 to 1."""

    resize: PositiveInt  # short side, bicubic
    crop: PositiveInt  # central square
    images: ImagesConfig
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @model_validator(mode="after")
    def _crop_lies_inside(self) -> "EvaluationTransformConfig":
        if self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than the resized image's short side {self.resize}")
        return self

    @model_validator(mode="after")
    def _one_number_a_channel(self) -> "EvaluationTransformConfig":
        for name in ("mean", "std"):
            if len(getattr(self, name)) != self.images.channels:
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} numbers for {self.images.channels} channels"
                )
        return self
