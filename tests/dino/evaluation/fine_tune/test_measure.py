"""Fine-tuning end to end on colours that a tiny network can learn."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.evaluation.fine_tune.measure import measure_fine_tuning, summary
from dino_pipeline.dino.weights.published import load_backbone

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def report(easy, model, config, extract):
    return measure_fine_tuning(easy.manifest, model, config, extract, device=CPU)


def test_each_start_beats_chance(report):
    assert list(report["results"]) == ["teacher", "random"]
    for result in report["results"].values():
        assert result["test"] > 0.8  # chance is a third
        assert result["loss_by_epoch"][-1] < result["loss_by_epoch"][0]


def test_the_first_epoch_best_on_validation_is_chosen(report, config):
    for result in report["results"].values():
        assert len(result["val_by_epoch"]) == len(result["loss_by_epoch"]) == config.epochs
        assert result["val"] == max(result["val_by_epoch"])
        assert result["best_epoch"] == result["val_by_epoch"].index(result["val"]) + 1


def test_the_same_seed_gives_the_same_numbers_whatever_was_drawn_before(report, easy, model, config, extract):
    torch.manual_seed(99)
    np.random.seed(99)
    assert measure_fine_tuning(easy.manifest, model, config, extract, device=CPU) == report


def test_another_seed_gives_others(easy, model, config, extract):
    short = replace(config, epochs=1)
    one, other = (
        measure_fine_tuning(easy.manifest, model, replace(short, seed=seed), extract, device=CPU)
        for seed in (1, 2)
    )
    assert one["results"] != other["results"]


def test_supervised_weights_are_one_more_start_and_the_teachers_own_end_as_the_teacher(
    easy, model, config, extract, tmp_path
):
    torch.save(load_backbone(model).model.state_dict(), tmp_path / "net.pth")
    weighty = replace(config, epochs=1, supervised_weights=str(tmp_path / "net.pth"))
    results = measure_fine_tuning(easy.manifest, model, weighty, extract, device=CPU)["results"]
    assert list(results) == ["teacher", "random", "supervised"]
    assert results["supervised"] == results["teacher"]


def test_weights_of_another_architecture_stop_before_training(easy, model, config, extract, tmp_path):
    deeper = replace(easy.architecture, options={**easy.architecture.options, "depth": 3})
    torch.save(build_backbone(deeper).model.state_dict(), tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"has blocks\.2\.norm1\.weight"):
        measure_fine_tuning(
            easy.manifest,
            model,
            replace(config, supervised_weights=str(tmp_path / "net.pth")),
            extract,
            device=CPU,
        )


def test_a_loss_that_is_no_number_stops_and_says_what_to_do(easy, model, config, extract):
    schedule = replace(config.learning_rate, start=1e30)
    with pytest.raises(ValueError, match=r"lower fine_tune\.learning_rate\.start"):
        measure_fine_tuning(
            easy.manifest, model, replace(config, learning_rate=schedule), extract, device=CPU
        )


def test_one_train_image_is_too_few(easy, model, config, extract):
    one = easy.manifest.take(np.r_[0, 48:78])
    with pytest.raises(ValueError, match="one train image"):
        measure_fine_tuning(one, model, config, extract, device=CPU)


def test_without_a_test_split_its_number_is_blank(easy, model, config, extract):
    without = easy.manifest.take(np.arange(63))
    report = measure_fine_tuning(without, model, replace(config, epochs=1), extract, device=CPU)
    assert report["results"]["teacher"]["test"] is None
    assert report["skipped"] == {"test": "test has no images"}
    assert "test skipped: test has no images" in summary(report)


def test_without_labels_it_says_what_it_skipped_and_why(easy, model, config, extract):
    column = easy.manifest.table.schema.get_field_index("label")
    table = easy.manifest.table.set_column(column, "label", pa.nulls(78, pa.string()))
    report = measure_fine_tuning(replace(easy.manifest, table=table), model, config, extract, device=CPU)
    assert report["results"] == {}
    assert summary(report) == "results skipped: 48 of the 48 images of train have no label"


def test_a_convnet_is_fine_tuned_too(easy, config, extract, tmp_path):
    from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
    from dino_pipeline.dino.weights.published import PublishedModel, write_model

    torch.manual_seed(0)
    network = build_backbone(BackboneConfig(name="resnet10t", options={}, drop_path_rate=0.0))
    state = {f"backbone.{name}": value for name, value in network.state_dict().items()}
    backbone = {"name": "resnet10t", "options": {}, "drop_path_rate": 0.0}
    described = {
        "backbone": backbone,
        "images": {"channels": 3, "bits": 8},
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
    }
    description = PublishedModel(fingerprint="f", data_digest="d", recipe="smoke", config=described)
    write_model(tmp_path, description, {"teacher": state, "student": state})
    report = measure_fine_tuning(easy.manifest, tmp_path, replace(config, epochs=1), extract, device=CPU)
    assert set(report["results"]) == {"teacher", "random"}
