"""How the same mathematics is executed: with less memory, or compiled."""

from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.training.config import LaunchConfig


def use_options(state: TrainingState, launch: LaunchConfig) -> None:
    """Switch on what the launch asks for; names and values of the weights stay as they are."""
    if launch.gradient_checkpointing:
        for learner in state.learners:
            learner.network.backbone.use_checkpointing()
    if launch.compile:
        for network in (state.student, state.teacher):
            network.backbone.compile()  # in place: a wrapper would rename the weights in checkpoints
