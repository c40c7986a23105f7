"""What a served backbone takes and gives, in MLflow's words."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mlflow.models import ModelSignature


def embedding_signature(num_features: int) -> "ModelSignature":
    """Images in, float32 [N, num_features] out.

    The input is MLflow's tensor of objects, the one kind that lets both pixels [N, H, W, 3] and a column of
    encoded files pass: a uint8 tensor would refuse the files, a column of binaries the pixels.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("O"), (-1,))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, num_features))]),
    )
