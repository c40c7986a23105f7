"""Time multi-crop views from JPEG files beside PIL and lightly: python benchmarks/input_pipeline.py.

From JPEGs of 375 x 500 px through a DataLoader of one worker to batches of 16, 2 x 224 and 8 x 96 px an image. "Crops
only" is what the CPU has left to do where a GPU does the photometric part. Each turn starts its worker anew.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peers import lightly_dino
from peers.plain_dino import PlainMultiCrop
from PIL import Image
from side_by_side import Floor, arguments, report, take_turns
from tiles import tiles_of_photographs
from torch.utils.data import DataLoader, Dataset

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.dataset import MultiCropDataset, ReplacingDataset, ShuffledBatches
from dino_pipeline.dino.core.data.loader import build_loader
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.recipes.reading import recipe_parameters

BATCH, NUM_LOCAL_CROPS = 16, 8
FLOORS = [
    Floor("ours, all on CPU", "PIL loop", 3.4),
    Floor("ours, crops only", "PIL loop", 5.0),
    Floor("ours, all on CPU", "lightly", 3.6),
]


class PilImages(Dataset[Any]):
    """The files as PIL images, transformed."""

    def __init__(self, manifest: Manifest, transform: Callable[[Image.Image], Any]) -> None:
        self.paths = manifest.table["path"].to_pylist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> Any:
        with Image.open(self.paths[position]) as image:
            return self.transform(image.convert("RGB"))


def pil_epoch(manifest: Manifest, transform: Callable[[Image.Image], Any]) -> None:
    for _ in DataLoader(PilImages(manifest, transform), batch_size=BATCH, num_workers=1):
        pass


def our_epoch(
    manifest: Manifest, pretrain: PretrainConfig, multi_crop: MultiCropConfig, *, augment_on_device: bool
) -> None:
    """Batches as they leave the loader: with `augment_on_device`, before the device colours them."""
    batches = ShuffledBatches(
        num_images=len(manifest),
        batch_size=BATCH,
        part=range(BATCH),
        seed=0,
        first_step=0,
        num_steps=len(manifest) // BATCH,
    )
    dataset = MultiCropDataset(
        manifest, pretrain.images, multi_crop, seed=0, augment_on_device=augment_on_device
    )
    for _ in build_loader(ReplacingDataset(dataset), batches, num_workers=1, pin_memory=False):
        pass


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__).parse_args()
    torch.set_num_threads(options.num_threads)
    num_images = BATCH if options.tiny else 12 * BATCH
    parameters = recipe_parameters("imagenet_vit_small")["pretrain"]
    pretrain = from_dict(PretrainConfig, parameters)
    shape = {
        "num_local_crops": NUM_LOCAL_CROPS,
        "global_crop_scale": [0.4, 1.0],
        "local_crop_scale": [0.05, 0.4],
    }
    multi_crop = from_dict(MultiCropConfig, parameters["multi_crop"] | shape)
    with tempfile.TemporaryDirectory() as folder:
        manifest = tiles_of_photographs(Path(folder), num_images=num_images, side=(375, 500))
        competitors = {
            "PIL loop": lambda: pil_epoch(manifest, PlainMultiCrop(NUM_LOCAL_CROPS)),
            **{
                name: partial(our_epoch, manifest, pretrain, multi_crop, augment_on_device=on_device)
                for name, on_device in (("ours, all on CPU", False), ("ours, crops only", True))
            },
        }
        if not lightly_dino.MISSING:
            from lightly.transforms import DINOTransform

            competitors["lightly"] = lambda: pil_epoch(manifest, DINOTransform(n_local_views=NUM_LOCAL_CROPS))
        timings = take_turns(competitors, options.num_rounds)
    report(
        "input pipeline",
        timings,
        FLOORS,
        options,
        work=f"{num_images} JPEGs of 375 x 500 px to 2 x 224 + {NUM_LOCAL_CROPS} x 96 px, DataLoader of one worker",
        skipped={"lightly": lightly_dino.MISSING} if lightly_dino.MISSING else {},
        more={
            "images_a_second_by_cpu": {
                n: round(num_images / min(t.cpu for t in r), 1) for n, r in timings.items()
            }
        },
    )


if __name__ == "__main__":
    main()
