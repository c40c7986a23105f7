"""Configuration of the crops and of each view's photometric augmentation, including every probability of the paper."""

from typing import Annotated

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen

Probability = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[int, Field(ge=4)]
AreaRange = tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]]


@frozen
class ViewConfig:
    """Photometric augmentation of one kind of view (arXiv:2104.14294, appendix; BYOL's augmentation)."""

    flip_probability: Probability
    jitter_probability: Probability
    brightness: Annotated[float, Field(ge=0, le=1)]
    contrast: Annotated[float, Field(ge=0, le=1)]
    saturation: Annotated[float, Field(ge=0, le=1)]
    hue: Annotated[float, Field(ge=0, le=0.5)]
    grayscale_probability: Probability
    blur_probability: Probability
    blur_radius: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]  # pixels, Gaussian sigma
    solarize_probability: Probability

    @model_validator(mode="after")
    def _radius_rises(self) -> "ViewConfig":
        low, high = self.blur_radius
        if low > high:
            raise ValueError(
                f"blur_radius is [{low:g}, {high:g}]: give the smaller first, [{high:g}, {low:g}]"
            )
        return self


@frozen
class MultiCropConfig:
    """Two global crops and any number of local crops."""

    global_crop_size: Size
    global_crop_scale: AreaRange  # share of the image's area
    num_local_crops: Annotated[int, Field(ge=0)]
    local_crop_size: Size
    local_crop_scale: AreaRange
    global_1: ViewConfig
    global_2: ViewConfig
    local: ViewConfig

    @model_validator(mode="after")
    def _ranges_rise(self) -> "MultiCropConfig":
        for name in ("global_crop_scale", "local_crop_scale"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(
                    f"{name} is [{low:g}, {high:g}]: give the smaller first, [{high:g}, {low:g}]"
                )
        return self

    @property
    def num_crops(self) -> int:
        return 2 + self.num_local_crops
