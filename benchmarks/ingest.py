"""Time a first and a second ingest of many files: python benchmarks/ingest.py [--num-images 200000 --side 32].

Prints one JSON object (benchmarks/results/ingest.json is one). The first ingest is held against the bare work on
the same files: read, decode and hash, on as many processes, and nothing else; and against one process that only
decodes them. The second has only the index to go by. CPU seconds are of all processes that have ended: on a
busy machine they tell better.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import yaml
from bare_ingest import decode, read_decode_and_hash
from side_by_side import Timing, arguments, bare_main, this_machine, timed, write
from tiles import tiles_of_photographs

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.ingest import ingest

RGB = ImagesConfig(channels=3, bits=8)
SAMPLE = 2000  # images that are decoded alone
FLOOR = 0.8  # of the cores times what one decodes
PARAMETERS = Path(__file__).parents[1] / "conf" / "base" / "parameters_ingest.yml"


def main() -> None:
    """Generate, ingest twice, report."""
    parser = arguments(__doc__)
    parser.add_argument("--num-images", type=int, default=200_000)
    parser.add_argument("--side", type=int, default=32, help="of an image in pixels")
    options = parser.parse_args()
    num_images = 200 if options.tiny else options.num_images
    config = from_dict(IngestConfig, yaml.safe_load(PARAMETERS.read_text())["ingest"])
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        manifest = tiles_of_photographs(project / "images", num_images=num_images, side=options.side)
        paths = manifest.table["path"].to_pylist()
        decoding = timed(lambda: decode(paths[:SAMPLE]))
        with bare_main():
            bare = timed(lambda: read_decode_and_hash(paths, config.num_workers))

        def ingest_once() -> None:
            ingest(
                replace(config, source="images"),
                RGB,
                project_folder=project,
                raw_folder=project / "raw",
                cache_folder=project / "cache",
            )

        with bare_main():
            first, second = timed(ingest_once), timed(ingest_once)
    decoded_a_second = min(num_images, SAMPLE) / decoding.wall
    write(
        {
            "num_images": num_images,
            "image": f"JPEG, {options.side} x {options.side} px",
            "bare_read_decode_hash": _seconds(bare),
            "first_ingest": _seconds(first),
            "first_ingest_over_bare": round(first.wall / bare.wall, 2),
            "second_ingest": _seconds(second),
            "num_workers": config.num_workers,
            "decoded_a_second_by_one_core": round(decoded_a_second),
            "ingested_a_second": round(num_images / first.wall),
            "ingested_over_cores_times_decoded": round(
                num_images / first.wall / (config.num_workers * decoded_a_second), 2
            ),
            "floor": FLOOR,
            **this_machine(),
        },
        options,
    )


def _seconds(timing: Timing) -> dict[str, float]:
    return {"seconds": round(timing.wall, 2), "cpu_seconds": round(timing.cpu, 2)}


if __name__ == "__main__":
    main()
