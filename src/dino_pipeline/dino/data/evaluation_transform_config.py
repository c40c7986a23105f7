"""How an image is prepared for features: sizes and colour statistics (light: imports no torch)."""

from typing import Annotated

from pydantic import Field, model_validator

from dino_pipeline.dino.config import frozen

Rgb = tuple[float, float, float]


@frozen
class EvaluationTransformConfig:
    """Sizes in pixels; `mean` and `std` per channel on the scale 0 to 1."""

    resize: Annotated[int, Field(ge=1)]  # short side, bicubic
    crop: Annotated[int, Field(ge=1)]  # central square
    mean: Rgb
    std: Rgb

    @model_validator(mode="after")
    def _crop_lies_inside(self) -> "EvaluationTransformConfig":
        if self.crop > self.resize:
            raise ValueError(f"crop {self.crop} is larger than the resized image's short side {self.resize}")
        return self
