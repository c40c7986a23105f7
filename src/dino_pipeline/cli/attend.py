"""`dino-pipeline attend IMAGE|FOLDER --model MODEL --output DIR`."""

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `attend` to the command line's subparsers."""
    parser = commands.add_parser(
        "attend",
        help="draw where a model looks in an image, or in every image of a folder",
        description="For each image a folder below DIR: attention of each head over the image, the patches that hold "
        "most of it, the principal components of the features as colours, and all of them side by side.",
    )
    parser.add_argument("images", type=Path, help="an image, or a folder of images")
    parser.add_argument(
        "--model",
        required=True,
        help="a model's folder or .safetensors file, a recipe, an MLflow run id, or name@alias or name/version",
    )
    parser.add_argument("--output", type=Path, required=True, dest="folder", help="the folder to write into")
    parser.add_argument(
        "--size", type=int, default=480, help="of the shorter side in px (480); more shows more"
    )
    parser.add_argument(
        "--threshold", type=float, default=0.6, help="share of the attention that a mask keeps (0.6)"
    )
    parser.add_argument(
        "--masks",
        nargs="?",
        const="mean",
        choices=("mean", "union", "heads"),
        help="also write a black and white PNG of each image's own size to DIR/masks, under the image's name: the "
        "patches that hold THRESHOLD of the heads' mean attention (mean, when no rule is given), of any head's "
        "(union), or a mask for each head in DIR/masks/head_N (heads)",
    )
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder (here)")
    parser.set_defaults(make=_attend, output=None)


def _attend(options: argparse.Namespace) -> str:
    from dino_pipeline.dino.core.config import from_dict
    from dino_pipeline.dino.core.data.decoding import decode_image
    from dino_pipeline.dino.core.data.images import UnreadableImageError
    from dino_pipeline.dino.core.data.images_config import ImagesConfig, PixelStatistics
    from dino_pipeline.dino.weights.published import load_backbone, read_model
    from dino_pipeline.inference.attention_foreground import foreground_masks, mask_name
    from dino_pipeline.inference.attention_pictures import overview, pictures
    from dino_pipeline.ingestion.sources.folder import list_folder
    from dino_pipeline.model_registry.model_lookup import find_weights

    if not options.images.exists():
        raise ValueError(f"{options.images} does not exist")
    if options.size < 1 or not 0 < options.threshold <= 1:
        raise ValueError("--size is a number of pixels, and --threshold a share above 0 and at most 1")
    weights = find_weights(options.model, options.project.resolve())
    config = read_model(weights.folder).config
    read_as = from_dict(ImagesConfig, config["images"])
    statistics = PixelStatistics(config["mean"], config["std"])
    backbone = load_backbone(weights.folder, weights.network)
    names = [file.name for file in list_folder(options.images).files] if options.images.is_dir() else [""]

    lines, num_drawn, masks = [], 0, set[str]()
    for name in names:
        path = options.images / name
        try:
            image = decode_image(path.read_bytes(), read_as)
        except UnreadableImageError as error:
            lines.append(f"{path}: left out, {error}")
            continue
        seen: Any = {"size": options.size, "mass": options.threshold, "statistics": statistics}
        if options.masks:
            mask_file = mask_name(name or path.name, masks)
            masks.add(mask_file)
            for kind, mask in foreground_masks(backbone, image, rule=options.masks, **seen).items():
                file = options.folder / "masks" / kind / mask_file
                file.parent.mkdir(parents=True, exist_ok=True)
                mask.save(file)
        drawn = pictures(backbone, image, **seen)
        folder = options.folder / (name or path.name)  # with its suffix: cat.jpg may lie beside cat.png
        folder.mkdir(parents=True, exist_ok=True)
        for title, picture in {**drawn, "overview": overview(drawn)}.items():
            picture.save(folder / f"{title}.png")
        num_drawn += 1
        lines.append(f"{path}: {folder / 'overview.png'}")
    if not num_drawn:
        raise ValueError("\n".join([*lines, f"{options.images} holds no image that can be read"]))
    return "\n".join(lines) + "\n"
