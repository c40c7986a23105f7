"""The report: the manifest's classes and the revisited data sets, each where it can be measured."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.retrieval.labelled import same_class
from dino_pipeline.dino.evaluation.retrieval.retrieve import (
    check_data,
    flat_metrics,
    retrieval_table,
    retrieve,
)
from dino_pipeline.dino.evaluation.retrieval.search import multi_scale_descriptor
from dino_pipeline.dino.features.evaluation_transform import EvaluationDataset, normalise

CPU = torch.device("cpu")


def unlabelled(manifest):
    table = manifest.table.set_column(
        manifest.table.column_names.index("label"), "label", pa.nulls(len(manifest), pa.string())
    )
    return Manifest(table, manifest.root, manifest.row_ids)


@torch.no_grad()
def test_scores_are_those_of_a_loop_over_queries(
    manifest, networks, retrieval_config, extract_config, tmp_path
):
    retrieved = retrieve(manifest, networks, retrieval_config, extract_config, root=tmp_path, device=CPU)
    descriptors, labels = {}, {}
    for split in ("train", "test"):
        images = EvaluationDataset(manifest.split(split), networks.transform)
        crops = torch.stack([images[i] for i in range(len(images))])
        pixels = normalise(crops, networks.transform.mean, networks.transform.std)
        descriptors[split] = multi_scale_descriptor(networks.backbones["teacher"], pixels, scales=(1.0, 0.5))
        labels[split] = np.array(manifest.split(split).labels)
    average_precisions, hits = [], []
    for query, label in zip(descriptors["test"], labels["test"], strict=True):
        right = labels["train"][torch.argsort(-(descriptors["train"] @ query)).numpy()] == label
        places = np.flatnonzero(right)
        if len(places):
            precisions = [
                (found / place if place else 1) / 2 + (found + 1) / (place + 1) / 2
                for found, place in enumerate(places)
            ]
            average_precisions.append(np.mean(precisions))
            hits.append(right[0])
    teacher = retrieved.report["labelled"]["teacher"]
    assert teacher["mean_average_precision"] == pytest.approx(np.mean(average_precisions), abs=1e-9)
    assert teacher["precision_at_1"] == teacher["recall_at_1"] == pytest.approx(np.mean(hits))
    assert retrieved.report["sizes"]["labelled"] == {
        "num_queries": 10,
        "num_gallery": 25,
        "num_answerable": len(hits),
    }


def test_the_report_is_json_and_its_numbers_have_names_of_one_level(
    manifest, networks, retrieval_config, extract_config, tmp_path
):
    report = retrieve(manifest, networks, retrieval_config, extract_config, root=tmp_path, device=CPU).report
    assert json.loads(json.dumps(report)) == report
    metrics = flat_metrics(report)
    assert metrics["teacher/recall_at_5"] == report["labelled"]["teacher"]["recall_at_5"]
    easy = report["revisited"]["tiny"]["easy"]["random"]
    assert metrics["tiny/easy/random/mean_average_precision"] == easy["mean_average_precision"] == 1
    assert report["sizes"]["tiny/easy"] == {"num_queries": 2, "num_gallery": 6, "num_answerable": 1}
    lines = retrieval_table(report).splitlines()
    assert lines[0].split() == ["mAP", "precision@1", "precision@5", "recall@1", "recall@5"]
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["test", "teacher"],
        ["test", "random"],
        ["tiny", "easy"],
    ]


def test_without_test_images_val_searches(manifest, networks, retrieval_config, extract_config, tmp_path):
    rows = np.flatnonzero(np.array(manifest.table["split"].to_pylist()) != "test")
    report = retrieve(
        manifest.take(rows), networks, retrieval_config, extract_config, root=tmp_path, device=CPU
    ).report
    assert (report["query_split"], report["sizes"]["labelled"]["num_queries"]) == ("val", 10)


def test_without_labels_only_the_revisited_data_sets_are_measured(
    manifest, networks, retrieval_config, extract_config, tmp_path
):
    bare = unlabelled(manifest)
    check_data(bare, retrieval_config, root=tmp_path)
    retrieved = retrieve(bare, networks, retrieval_config, extract_config, root=tmp_path, device=CPU)
    assert retrieved.report["labelled"] == {}
    assert retrieved.report["skipped"] == {"labelled": "25 of the 25 images of train have no label"}
    assert retrieved.criterion == "medium"
    assert "labelled skipped: 25 of the 25" in retrieval_table(retrieved.report)
    with pytest.raises(
        ValueError, match=r"25 images of train have no label.*retrieval\.revisited\.<name>\.folder"
    ):
        check_data(bare, replace(retrieval_config, revisited={}), root=tmp_path)


def test_a_class_that_train_lacks_is_found_nowhere(manifest):
    queries, gallery = manifest.take(np.array([0, 7])), manifest.take(np.array([10, 11, 20]))  # 0, 7: 0, 1, 0
    relevant, junk = same_class(queries, gallery)
    assert relevant(slice(0, 2)).tolist() == [[True, False, True], [False, False, False]]
    assert not junk(slice(0, 2)).any()


def test_a_revisited_data_set_that_is_not_there_is_refused_early(manifest, retrieval_config, folder):
    check_data(manifest, retrieval_config, root=folder)
    (folder / "gnd_tiny.pkl").unlink()
    with pytest.raises(ValueError, match=r"gnd_tiny\.pkl does not exist"):
        check_data(manifest, retrieval_config, root=folder)
