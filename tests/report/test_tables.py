"""Parameters are named where they are not the base's, and marked where they are not the recipe's either."""

from dino_pipeline.report.tables import costs_table, parameter_differences

BASE = {
    "epochs": 10,
    "loss": {"student_temperature": 0.1},
    "mean": [0.5, 0.4],
    "backbone": {"options": {"depth": 4}},
}


def test_equal_parameters_differ_in_nothing():
    assert parameter_differences(BASE, base=BASE, recipe=BASE) == []


def test_what_the_recipe_changes_is_told_apart_from_what_was_set_for_one_training():
    recipe = {**BASE, "epochs": 3}
    model = {**recipe, "loss": {"student_temperature": 0.2}}
    rows = {row.name: row for row in parameter_differences(model, base=BASE, recipe=recipe)}
    assert rows.keys() == {"epochs", "loss.student_temperature"}
    assert not rows["epochs"].is_own
    assert (rows["epochs"].base, rows["epochs"].recipe, rows["epochs"].value) == ("10", "3", "3")
    assert rows["loss.student_temperature"].is_own
    assert rows["loss.student_temperature"].value == "0.2"


def test_a_parameter_that_one_side_lacks_is_shown_as_absent():
    model = {**BASE, "backbone": {"options": {}}}
    (row,) = parameter_differences(model, base=BASE, recipe=BASE)
    assert (row.name, row.base, row.value) == ("backbone.options.depth", "4", "-")


def test_what_was_predicted_stands_beside_what_was_used():
    predicted = {"step_seconds": 90.0, "memory_bytes": 2e9, "disk_bytes": 5e8}
    timing = [{"seconds": 60.0, "memory_mb": 1000.0}, {"seconds": 48.0, "memory_mb": 1500.0}]
    table = costs_table(predicted, timing, disk_bytes=250_000_000)
    assert table.head == ["", "predicted", "used"]
    assert table.rows == [
        ["training steps, min", "1.5", "1.8"],
        ["memory of a process or GPU, GB", "2.00", "1.57"],  # 1500 MiB
        ["disk, GB", "0.50", "0.25"],
    ]


def test_what_was_not_predicted_has_no_row():
    table = costs_table({"step_seconds": 60.0}, [{"seconds": 60.0, "memory_mb": 1.0}], disk_bytes=1)
    assert [row[0] for row in table.rows] == ["training steps, min"]
