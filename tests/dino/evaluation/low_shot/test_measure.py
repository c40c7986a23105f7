"""The low-shot report: chosen on validation, blank where it must be, the same twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from dino_pipeline.dino.evaluation.config import KnnConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.labels import stratified_draw
from dino_pipeline.dino.evaluation.low_shot.config import LogisticRegressionConfig, LowShotConfig
from dino_pipeline.dino.evaluation.low_shot.measure import low_shot, table

CPU = torch.device("cpu")
CONFIG = LowShotConfig(
    fractions=(0.1, 1.0),
    seeds=(0, 1, 2),
    logistic_regression=LogisticRegressionConfig(
        inverse_penalties=(10.0, 0.1, 1.0), tolerance=1e-7, max_iterations=500
    ),
    knn=KnnConfig(num_neighbors=(1, 5, 400), temperature=0.07),
    num_threads=1,
)


def features(noise, num_test=40):
    random = np.random.default_rng(0)
    counts = {"train": 80, "val": 40, "test": num_test}
    splits = np.repeat(list(counts), list(counts.values()))
    classes = np.arange(len(splits)) % 4
    embedding = np.eye(6)[classes] + noise * random.normal(size=(len(splits), 6))
    labels = np.array([f"class {c}" for c in classes], dtype=object)
    return Features(np.arange(len(splits)), splits, labels, embedding.astype(np.float32), None)


def test_the_numbers_are_those_of_scikit_learn_on_the_same_draws():
    teacher = features(0.6)
    report = low_shot({"teacher": teacher}, CONFIG, device=CPU)
    measured = report["results"]["10_percent"]["teacher"]["logistic_regression"]
    x, y = normalize(teacher.embedding.astype(np.float64)), np.arange(160) % 4
    val, test, chosen = [], [], []
    for seed in CONFIG.seeds:
        rows = stratified_draw(y[:80], 0.1, seed=seed)
        scores = {}
        for c in sorted(CONFIG.logistic_regression.inverse_penalties):
            model = LogisticRegression(C=c, tol=1e-9, max_iter=10_000).fit(x[rows], y[rows])
            scores[c] = model.score(x[80:120], y[80:120]), model.score(x[120:], y[120:])
        best = max(scores, key=lambda c: (scores[c][0], -c))
        chosen.append(best)
        val.append(scores[best][0])
        test.append(scores[best][1])
    assert measured["chosen"] == chosen
    assert measured["val"] == pytest.approx(np.mean(val))
    assert measured["test"] == pytest.approx(np.mean(test))
    half_width = stats.t.interval(0.95, 2, scale=stats.sem(test))[1]
    assert measured["test_interval"] == pytest.approx(half_width, rel=1e-4)


def test_shares_draws_and_networks_are_told_and_the_whole_is_drawn_once():
    report = low_shot({"teacher": features(0.2), "random": features(5.0)}, CONFIG, device=CPU)
    assert report["num_labels"] == {"10_percent": 8, "100_percent": 80}
    assert report["num_draws"] == {"10_percent": 3, "100_percent": 1}
    whole = report["results"]["100_percent"]
    assert whole["teacher"]["knn"]["test"] > 0.95 > whole["random"]["knn"]["test"]
    assert whole["teacher"]["knn"]["test_interval"] is None
    assert report["skipped"] == {}
    assert (
        low_shot({"teacher": features(0.2)}, CONFIG, device=CPU)["results"]["10_percent"]["teacher"]
        == (report["results"]["10_percent"]["teacher"])
    )
    lines = table(report).splitlines()
    assert "10 % (8 labels)" in lines[0]
    assert lines[1].startswith("logistic regression, teacher")


def test_neighbours_beyond_the_draw_are_all_of_it():
    report = low_shot({"teacher": features(0.2)}, replace(CONFIG, fractions=(0.01,)), device=CPU)
    assert set(report["results"]["1_percent"]["teacher"]["knn"]["chosen"]) <= {1, 4}


def test_without_a_test_split_its_numbers_are_blank_and_validation_is_shown():
    report = low_shot({"teacher": features(0.2, num_test=0)}, CONFIG, device=CPU)
    measured = report["results"]["10_percent"]["teacher"]["knn"]
    assert measured["test"] is measured["test_interval"] is None
    assert measured["val"] > 0.9
    assert report["skipped"] == {"test": "test has no images"}
    assert "test skipped: test has no images" in table(report)


def test_without_labels_it_says_what_it_skipped_and_why():
    teacher = features(0.2)
    unlabelled = replace(teacher, labels=np.full(160, None, dtype=object))
    report = low_shot({"teacher": unlabelled}, CONFIG, device=CPU)
    assert report["results"] == {}
    assert report["skipped"] == {"results": "80 of the 80 images of train have no label"}
    assert table(report) == "results skipped: 80 of the 80 images of train have no label"
