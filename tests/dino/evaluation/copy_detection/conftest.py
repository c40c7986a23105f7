"""Three photographs and their copies, laid out as Copydays."""

import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

ATTACKS = ("strong", "jpegqual/5", "jpegqual/50", "crops/50")


@pytest.fixture
def folder(tmp_path):
    photograph = load_sample_image("china.jpg")
    for attack in ("original", *ATTACKS):
        (tmp_path / attack).mkdir(parents=True)
    for index in range(3):
        name = f"200{index}00.jpg"
        image = Image.fromarray(photograph[100 * index : 100 * index + 90, 150 * index : 150 * index + 120])
        image.save(tmp_path / "original" / name, quality=95)
        image.save(tmp_path / "jpegqual/5" / name, quality=5)
        image.save(tmp_path / "jpegqual/50" / name, quality=50)
        image.crop((15, 10, 105, 80)).save(tmp_path / "crops/50" / name)
        for strong in range(1, 1 + index):
            image.rotate(10 * strong).save(tmp_path / "strong" / f"200{index}0{strong}.jpg")
    return tmp_path
