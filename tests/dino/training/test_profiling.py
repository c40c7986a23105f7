"""Out of memory: the error names what fits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dino_pipeline.dino.core.config import to_dict
from tests.dino.conftest import MakeSpec

# A worker whose address space may grow by so much once everything is imported.
LIMITED_WORKER = """
import resource, sys
from dino_pipeline.dino.training import worker
import cv2, torch, timm
torch.linalg.eigvalsh(torch.eye(4))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv.pop(1)) * 2**20, -1))
sys.exit(worker.main())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits memory the Linux way")
@pytest.mark.full
def test_a_batch_that_does_not_fit_is_told_with_the_accumulation_that_does(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec(tmp_path)
    config = to_dict(spec.pretrain)
    config["backbone"]["options"] |= {"embed_dim": 192, "depth": 4, "img_size": 64}
    config["multi_crop"] |= {"global_crop_size": 224, "num_local_crops": 0}
    spec = make_spec(tmp_path, pretrain=config | {"batch_size": 32, "precision": "fp32"})
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(to_dict(spec)))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED_WORKER, "3000", str(file)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert (
        "MemoryError: 32 images at once do not fit into memory; set pretrain.accumulation_steps to"
        in done.stderr
    )
    assert "keeps the total of 32" in done.stderr
