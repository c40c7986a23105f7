"""A training's identity: the parameters, the data and the code that decide its weights."""

import hashlib
import json
from pathlib import Path

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig

_LIBRARY = Path(__file__).parents[1]
# metrics/ only watches and evaluation/ comes afterwards: editing them must not retrain.
_DECIDES_WEIGHTS = ("core", "weights", "training")


def fingerprint(config: PretrainConfig, data_digest: str) -> str:
    """Hex digest, equal exactly for trainings that must give equal weights (to rounding)."""
    identity = {"config": to_dict(config), "data": data_digest, "code": source_digest()}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def source_digest() -> str:
    """Digest of the library source that decides the weights."""
    digest = hashlib.sha256()
    for name in _DECIDES_WEIGHTS:
        path = _LIBRARY / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(_LIBRARY).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()
