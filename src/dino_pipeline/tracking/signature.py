"""What a served backbone takes and gives, in MLflow's words."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mlflow.models import ModelSignature


def embedding_signature(num_features: int) -> "ModelSignature":
    """Images in, float32 [N, num_features] out.

    Only the output is described. A schema of the input would have to fit pixels of any size as well as files, and
    MLflow would check it before the model is asked: it answers an empty data frame with HTTP 500, and refuses
    pixels in one. The model checks its input itself, in words.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    return ModelSignature(
        inputs=None,
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, num_features))]),
    )
