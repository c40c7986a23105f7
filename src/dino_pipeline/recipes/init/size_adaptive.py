"""Rules that adapt DINO to the number and the size of images, each with its source.

LT: lightly-train's defaults by data size, the only published ones (lightly_train/_methods/dino/dino.py, read as ideas).
DINO: arXiv:2104.14294 and its published commands.
"""

IMAGENET = 1_281_167
SMALL = 20_000  # images; below this LT's rules no longer change


def num_prototypes(num_images: int) -> int:
    """K (LT): "65536 is too large for small datasets"."""
    steps = ((20_000, 1024), (50_000, 2048), (100_000, 4096), (200_000, 16384), (500_000, 32768))
    return next((prototypes for limit, prototypes in steps if num_images < limit), 65536)


def teacher_temperature(num_images: int) -> float:
    """The value after its warm-up (LT): lower on little data, which keeps the outputs from becoming uniform."""
    return round(_between(num_images, 0.02, 0.07), 4)


def first_teacher_temperature(num_images: int) -> float:
    """The value before its warm-up (LT)."""
    return round(_between(num_images, 0.02, 0.04), 4)


def teacher_momentum(num_images: int) -> float:
    """The value at the start (LT): fewer images give fewer steps, in which a slow teacher would hardly move."""
    return round(_between(num_images, 0.99, 0.996), 5)


def most_epochs(num_images: int) -> int:
    """Twenty million images seen, in 100 (DINO's shortest) to 2,000 epochs (LT: 200 to 2,000 below 100,000 images)."""
    return min(2000, max(100, round(20_000_000 / num_images)))


def warmup_fraction(num_warmup_steps: int, num_steps: int, *, at_most: float) -> float:
    """The share of the run for a warm-up of `num_warmup_steps`, rounded, and at most `at_most`."""
    return round(min(at_most, num_warmup_steps / num_steps), 4)


LEARNING_RATE_WARMUP = (12_500, 0.1)  # steps, largest share (LT; DINO: 10 epochs of 1,251 steps)
TEACHER_TEMPERATURE_WARMUP = (37_500, 0.3)  # (LT; DINO: 30 epochs)
FROZEN_LAST_LAYER = (1_250, 0.1)  # (LT; DINO: 1 epoch)


def batch_size(num_images: int, *, largest: int) -> int:
    """A power of two: `largest`, or the size that gives about 16 steps an epoch, but at least 8."""
    size = largest
    while size > 8 and size * 16 > num_images:
        size //= 2
    return size


def crop_sizes(shorter_side: int, *, has_gpu: bool) -> tuple[int, int, int]:
    """Global crop, local crop and patch in pixels, by the images' median shorter side.

    DINO's 224, 96 and 16 where the images and the hardware allow it; else fewer pixels and a finer patch, so that a
    global crop still has 49 to 256 patches. Images are hardly ever enlarged: that shows the network nothing new.
    """
    if shorter_side < 48:
        size = max(16, min(32, shorter_side // 4 * 4))
        return size, max(8, size // 8 * 4), 4
    if not has_gpu or shorter_side < 100:
        return 64, 32, 8
    return (128, 64, 8) if shorter_side < 200 else (224, 96, 16)


def blur_radius(global_crop_size: int) -> tuple[float, float]:
    """DINO's 0.1 to 2 px for a crop of 224 px, scaled to this crop."""
    return 0.1, max(0.3, round(2.0 * global_crop_size / 224, 2))


def _between(num_images: int, few: float, many: float) -> float:
    """Interpolate linearly in the number of images, from `SMALL` to ImageNet's, and stay constant beyond."""
    share = (num_images - SMALL) / (IMAGENET - SMALL)
    return few + min(1.0, max(0.0, share)) * (many - few)
