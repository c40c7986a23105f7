"""Batches: every image once an epoch, the same set for any number of processes, from any step on."""

from dino_pipeline.dino.core.data.dataset import Address, ShuffledBatches


def batches(part: range, *, first_step: int = 0, seed: int = 0) -> list[list[Address]]:
    return list(
        ShuffledBatches(num_images=11, batch_size=4, part=part, seed=seed, first_step=first_step, num_steps=6)
    )


def test_an_epoch_is_whole_batches_of_different_images_in_a_new_order() -> None:
    whole = batches(range(4))
    assert [len(batch) for batch in whole] == [4] * 6
    epochs = [[address for batch in whole[i : i + 2] for address in batch] for i in (0, 2, 4)]
    for number, epoch in enumerate(epochs):
        assert {address.epoch for address in epoch} == {number}
        assert len({address.position for address in epoch}) == 8
    assert len({tuple(a.position for a in epoch) for epoch in epochs}) == 3


def test_processes_share_the_batches_of_one() -> None:
    whole, first, second = batches(range(4)), batches(range(2)), batches(range(2, 4))
    assert [a + b for a, b in zip(first, second, strict=True)] == whole


def test_a_later_start_gives_the_rest() -> None:
    assert batches(range(4), first_step=3) == batches(range(4))[3:]
    assert (
        len(ShuffledBatches(num_images=11, batch_size=4, part=range(4), seed=0, first_step=3, num_steps=6))
        == 3
    )


def test_another_seed_gives_another_order() -> None:
    assert batches(range(4), seed=1) != batches(range(4))
