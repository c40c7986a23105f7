"""Images squeezed to a square, as copy detection sees them: a copy's border may be where its original's middle is."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from dino_pipeline.dino.data.images import decode_rgb
from dino_pipeline.dino.data.manifest import Manifest


class SqueezedImages(Dataset[Tensor]):
    """uint8 [3, size, size], bicubic, the sides' ratio lost."""

    def __init__(self, images: Manifest, size: int) -> None:
        self.images = images
        self.size = size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        pixels = torch.from_numpy(decode_rgb(self.images.read_bytes(index))).permute(2, 0, 1).unsqueeze(0)
        return F.interpolate(pixels, (self.size, self.size), mode="bicubic", antialias=True)[0]
