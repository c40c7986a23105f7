"""A loss of the user's own is found in the project folder, with its options; what is wrong is one clear line."""

from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.core.losses.config import LossConfig, methods
from dino_pipeline.dino.core.losses.loss import Loss, build_loss
from tests.own_method import PAGE, shown

USUAL = {
    "name": "my_loss.py:MyLoss",
    "student_temperature": 0.1,
    "centering": "center",
    "center_momentum": 0.9,
    "queue_length": 0,
    "koleo_weight": 0.0,
    "coding_rate_weight": 0.0,
    "coding_rate_epsilon": 0.2,
    "options": {"variance_weight": 0.5},
}
OTHERS = """
from torch import nn

from dino_pipeline.dino.core.losses.loss import Loss


class Plain(Loss):
    pass


class Learning(Loss):
    def __init__(self, config, num_logits):
        super().__init__(config, num_logits)
        self.projector = nn.Linear(num_logits, 2)


class NoLoss(nn.Module):
    pass
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "my_loss.py").write_text(shown("python"))
    (tmp_path / "others.py").write_text(OTHERS)


def build(project: Path, **changes: object) -> Loss:
    return build_loss(LossConfig(**(USUAL | changes)), 3, root=project)


def test_it_is_built_with_its_options_typed(tmp_path: Path) -> None:
    loss = build(tmp_path)
    assert type(loss).__name__ == "MyLoss"
    assert loss.options.variance_weight == 0.5
    assert loss.state_dict().keys() == {"mean"}
    assert build(tmp_path, name=f"{tmp_path}/others.py:Plain", options={}).options is None


def test_an_edited_file_is_read_anew(tmp_path: Path) -> None:
    build(tmp_path)
    file = tmp_path / "my_loss.py"
    file.write_text(file.read_text().replace("variance_weight", "weight_of_variance"))
    assert build(tmp_path, options={"weight_of_variance": 2.0}).options.weight_of_variance == 2.0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"options": {}}, r"pretrain\.loss\.options\.variance_weight is missing"),
        (
            {"options": {"variance_weight": 1.0, "wieght": 2.0}},
            r"pretrain\.loss\.options\.wieght is 2\.0: Unexpected keyword argument",
        ),
        (
            {"options": {"variance_weight": "much"}},
            r"pretrain\.loss\.options\.variance_weight is 'much': Input should be a valid number",
        ),
        (
            {"options": {"variance_weight": -1}},
            r"pretrain\.loss\.options\.variance_weight is -1: Input should be greater than or equal to 0",
        ),
        ({"name": "others.py:Plain"}, r"pretrain\.loss\.options is .*, but Plain takes none: set it to \{\}"),
        (
            {"name": "nowhere.py:MyLoss"},
            r"pretrain\.loss\.name is nowhere\.py:MyLoss, but .* does not exist: give a file",
        ),
        ({"name": "others.py:MyLoss"}, r"others\.py has no class MyLoss that derives from"),
        ({"name": "others.py:NoLoss"}, r"others\.py has no class NoLoss that derives from"),
        ({"name": "others.py:Learning", "options": {}}, r"others\.py:Learning, which has weights"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, changes: dict, told: str) -> None:
    with pytest.raises(ValueError, match=rf"^.*{told}") as raised:
        build(tmp_path, **changes)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "dino"}, r"options is .*, but dino takes none"),
        ({"name": "my_loss.py"}, r"should be one of .* or a class of your own as my_loss\.py:MyLoss"),
        ({"name": "my_loss:MyLoss"}, r"should be one of .* or a class of your own as my_loss\.py:MyLoss"),
    ],
)
def test_a_configuration_that_no_loss_can_have_is_refused(changes: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LossConfig(**(USUAL | changes))


def test_a_skipped_step_leaves_its_state_and_another_moves_it(tmp_path: Path) -> None:
    loss = build(tmp_path)
    logits = torch.ones(2, 4, 3)
    loss.update(logits, skip=torch.tensor(True))
    assert not loss.get_buffer("mean").any()
    loss.update(logits, skip=torch.tensor(False))
    torch.testing.assert_close(loss.get_buffer("mean"), torch.full((3,), 0.1))


def test_the_page_names_every_shipped_loss() -> None:
    (row,) = [line for line in PAGE.read_text().splitlines() if line.startswith("| `loss.name` |")]
    assert [name for name in methods() if f"`{name}`" not in row] == []
