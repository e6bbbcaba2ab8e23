"""Picture files to digits and thumbnails."""

from pathlib import Path

import numpy as np
from PIL import Image

from digits.data.pictures.decode import read_picture


def test_large_rotated_jpeg_is_read_upright(tmp_path: Path) -> None:
    values = np.full((300, 200), 220, dtype=np.uint8)
    values[60:75, 60:140] = values[60:240, 125:140] = 30  # a seven
    seven = Image.fromarray(values)
    seven.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90° clockwise to display
    seven.resize((2000, 3000)).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "rotated.jpg", exif=exif)
    thumbnail, digit = read_picture(tmp_path / "rotated.jpg")
    expected_thumbnail, expected_digit = read_picture(tmp_path / "upright.png")
    assert thumbnail.shape == expected_thumbnail.shape == (192, 128, 3)
    assert np.abs(digit - expected_digit.astype(float)).sum() < 0.2 * expected_digit.sum()
