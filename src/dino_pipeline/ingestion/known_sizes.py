"""How many images the sources that recipes name give to train, known without them."""

from dino_pipeline.ingestion.config import IngestConfig

_IMAGENET_TRAIN = 1_268_355  # without the 1 % that the recipes carve for validation
_NUM_TRAIN_IMAGES = {
    "data/01_raw/imagenet": _IMAGENET_TRAIN,
    "torchvision:CIFAR10": 45_000,
    "torchvision:FashionMNIST": 54_000,
    "torchvision:Imagenette-160": 8_522,
    "data/01_raw/cifar10_jpeg_q90.tar.gz": 45_000,
    "embedded:photographs": 1_800,
    "embedded:digits": 1_299,
}


def known_num_train_images(config: IngestConfig) -> int | None:
    """Train images of a recipe's source; None of a source that nobody knows before it is ingested."""
    known = _NUM_TRAIN_IMAGES.get(config.sources[0]) if config.sources else None
    return min(known, config.max_train_images or known) if known else None
