"""The probe's crops are a function of seed, epoch and image; batches cover every image once an epoch."""

from dataclasses import replace

import pytest
import torch

from dino_pipeline.dino.core.data.dataset import Address
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.evaluation.linear_probe.views import ProbeBatches, ProbeViews, view_loader

CONFIG = LinearProbeConfig(
    learning_rates=(0.1,),
    epochs=3,
    batch_size=10,
    momentum=0.9,
    crop_scale=(0.3, 0.6),
    flip_probability=0.5,
    seed=1,
)


def test_an_epoch_is_every_image_once_in_batches_that_differ_by_one_at_most():
    for epoch in range(CONFIG.epochs):
        batches = [positions for e, positions in ProbeBatches(25, CONFIG).whole() if e == epoch]
        assert sorted(torch.cat(batches).tolist()) == list(range(25))
        assert sorted(len(batch) for batch in batches) == [8, 8, 9]


def test_epochs_differ_in_order_and_crops(manifest, transform):
    orders = {}
    for epoch, positions in ProbeBatches(25, CONFIG).whole():
        orders.setdefault(epoch, []).extend(positions.tolist())
    assert orders[0] != orders[1]
    views = ProbeViews(manifest, transform, CONFIG)
    assert not torch.equal(views[Address(0, 3)], views[Address(1, 3)])


def test_a_whole_image_that_is_never_flipped_is_itself(manifest, transform):
    config = replace(CONFIG, crop_scale=(1.0, 1.0), flip_probability=0.0)
    flipped = replace(config, flip_probability=1.0)
    own, mirrored = (ProbeViews(manifest, transform, c)[Address(0, 3)] for c in (config, flipped))
    assert own.shape == (3, 16, 16)
    assert own.dtype == torch.uint8
    assert torch.equal(mirrored, own.flip(-1))


@pytest.mark.parametrize("cache_bytes", [0, 2_000, 10**6])  # no image, some images, all images
def test_images_kept_decoded_change_nothing(manifest, transform, cache_bytes):
    addresses = [Address(epoch, position) for epoch in range(2) for position in (3, 0, 7, 12, 1)]
    views = ProbeViews(manifest, transform, CONFIG, cache_bytes=cache_bytes)
    fresh = [ProbeViews(manifest, transform, CONFIG)[address] for address in addresses]
    assert torch.equal(views.__getitems__(addresses), torch.stack(fresh))


def test_decoded_images_are_not_read_again(manifest, transform, monkeypatch):
    reads = []
    monkeypatch.setattr(Manifest, "read_bytes", counting(Manifest.read_bytes, reads))
    image = decode_image(manifest.read_bytes(3), transform.images)
    views = ProbeViews(manifest, transform, CONFIG, cache_bytes=image.nbytes)
    for epoch in range(3):
        views[Address(epoch, 3)]
        views[Address(epoch, 4)]  # finds no room
    assert reads == [3, 3, 4, 4, 4]


def counting(read, reads):
    def read_and_count(self, position):
        reads.append(position)
        return read(self, position)

    return read_and_count


def test_workers_change_nothing(manifest, transform):
    train = manifest.split("train")
    for alone, shared in zip(
        *(
            view_loader(train, ProbeBatches(len(train), CONFIG), transform, CONFIG, num_workers=workers)
            for workers in (0, 2)
        ),
        strict=True,
    ):
        assert torch.equal(alone, shared)
