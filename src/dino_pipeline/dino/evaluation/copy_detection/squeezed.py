"""Images squeezed to a square, as copy detection sees them: a copy's border may be where its original's middle is."""

from torch import Tensor
from torch.utils.data import Dataset

from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.sizes import resized


class SqueezedImages(Dataset[Tensor]):
    """uint8 [3, size, size], bicubic, the sides' ratio lost."""

    def __init__(self, images: Manifest, size: int) -> None:
        self.images = images
        self.size = size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return resized(decode_rgb(self.images.read_bytes(index)), self.size, self.size)[0]
