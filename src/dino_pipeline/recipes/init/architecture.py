"""Everything of the training that does not depend on its length."""

from dino_pipeline.recipes.init import size_adaptive as rules
from dino_pipeline.recipes.init.choices.backbone import backbone, head
from dino_pipeline.recipes.init.choices.crops import crops
from dino_pipeline.recipes.init.hardware import Hardware
from dino_pipeline.recipes.init.measurement import Measurement
from dino_pipeline.recipes.writing import Choice


def architecture(data: Measurement, hardware: Hardware) -> list[Choice]:
    """Everything of the training that does not depend on its length."""
    n, has_gpu = data.num_images, hardware.num_gpus > 0
    size, local, patch = rules.crop_sizes(data.shorter_side, has_gpu=has_gpu)
    largest = 64 * hardware.num_gpus * (4 if size <= 64 else 1) if has_gpu else 64
    batch = rules.batch_size(n, largest=largest)
    processes = min(hardware.num_processes, batch)
    return [
        Choice(
            "pretrain.batch_size",
            batch - batch % processes,
            f"{'64 a GPU, 256 of small crops' if has_gpu else '64 on CPU'}, or less for at least 16 steps an "
            "epoch. The learning rate is scaled by batch / 256.",
        ),
        Choice(
            "pretrain.precision",
            "bf16" if hardware.has_bf16 else "fp32",
            "bfloat16 where the GPU or the CPU computes it: two to three times faster, and no loss scaling.",
        ),
        *_images(data),
        Choice(
            "pretrain.mean", list(data.mean), "Measured on your images, per channel, of pixels in [0, 1]."
        ),
        Choice("pretrain.std", list(data.std)),
        *backbone(n, size, patch, has_gpu=has_gpu),
        Choice(
            "pretrain.projection_head.num_prototypes",
            rules.num_prototypes(n),
            f"K for {n:,} images: 1,024 below 20,000, 65,536 from 500,000 (lightly-train). The loss of a network that "
            "tells nothing apart is ln K.",
        ),
        *head(has_gpu=has_gpu),
        *crops(data, size, local, has_gpu=has_gpu),
        Choice("monitoring.resize", size, "As the global crops."),
        Choice("monitoring.crop", size),
        Choice(
            "launch.cpu_processes",
            processes,
            "The cores found, eight at most; with GPUs one process for each.",
        ),
        Choice(
            "launch.loader_workers",
            max(1, hardware.num_cores // hardware.num_gpus - 1) if has_gpu else 0,
            "A GPU needs its images decoded beside it; on CPU each process decodes its own.",
        ),
        Choice(
            "launch.augment_on_device",
            has_gpu,
            "A GPU changes the colours of whole batches; on CPU each crop's are changed where it is cut.",
        ),
    ]


def _images(data: Measurement) -> list[Choice]:
    images = data.images
    if (images.channels, images.bits) == (3, 8):  # as in base
        return []
    stored = f"{images.channels} channel{'s' if images.channels > 1 else ''} of {images.bits} bits"
    return [
        Choice(
            "pretrain.images",
            {"channels": images.channels, "bits": images.bits},
            f"Your files hold {stored}; others are quarantined.",
        )
    ]
