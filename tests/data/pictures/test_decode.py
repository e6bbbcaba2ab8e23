"""Picture files to digits and thumbnails."""

import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from PIL.TiffImagePlugin import TiffImageFile

from digits.data.pictures import decode, orient, verify
from digits.data.pictures.decode import read_picture, read_pictures
from digits.data.pictures.masks import Array
from digits.data.pictures.picture_formats import PictureFile, is_picture
from digits.errors import InputError


def one(width: int = 60, height: int = 60) -> Image.Image:
    """A one, dark on light noise, which compresses badly: a changed byte of the file is a changed pixel."""
    values = np.random.default_rng(0).integers(200, 230, (height, width)).astype(np.uint8)
    values[height // 5 : -height // 5, width * 9 // 20 : width * 11 // 20] = 30
    return Image.fromarray(values)


def read_digit(path: Path) -> Array:
    """The digit of the simplest hypothesis."""
    return read_picture(path).hypotheses[0].digits[0]


def test_large_rotated_jpeg_is_read_upright(tmp_path: Path) -> None:
    values = np.full((300, 200), 220, dtype=np.uint8)
    values[60:75, 60:140] = values[60:240, 125:140] = 30  # a seven
    seven = Image.fromarray(values)
    seven.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90° clockwise to display
    seven.resize((2000, 3000)).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "rotated.jpg", exif=exif)
    thumbnail = read_picture(tmp_path / "rotated.jpg", thumbnail=True).thumbnail
    expected_thumbnail = read_picture(tmp_path / "upright.png", thumbnail=True).thumbnail
    digit, expected_digit = read_digit(tmp_path / "rotated.jpg"), read_digit(tmp_path / "upright.png")
    assert thumbnail is not None
    assert expected_thumbnail is not None
    assert thumbnail.shape == expected_thumbnail.shape == (192, 128, 3)
    assert np.abs(digit - expected_digit.astype(float)).sum() < 0.2 * expected_digit.sum()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("strips.tif", {"compression": "tiff_adobe_deflate"}),
        ("old.tif", {"compression": "tiff_deflate"}),
    ],
)
def test_damage_that_a_checksum_proves_is_refused(name: str, options: dict[str, str], tmp_path: Path) -> None:
    one().save(tmp_path / name, **options)
    content = (tmp_path / name).read_bytes()
    digit = read_digit(tmp_path / name)
    accepted = 0
    for position in range(0, len(content), 41):
        damaged = bytearray(content)
        damaged[position] ^= 16
        (tmp_path / name).write_bytes(damaged)
        try:
            again = read_digit(tmp_path / name)
        except InputError:
            continue
        assert np.array_equal(again, digit)  # a byte that is not part of the picture
        accepted += 1
    assert accepted <= 3


def test_damaged_png_is_refused(tmp_path: Path) -> None:
    """The decoder fills the rest of such a picture with black."""
    smooth = Image.fromarray(np.where(np.asarray(one()) > 100, 220, 30).astype(np.uint8))
    smooth.save(tmp_path / "one.png")
    content = (tmp_path / "one.png").read_bytes()
    digit = read_digit(tmp_path / "one.png")
    for bit in range(8 * 50, 8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "one.png").write_bytes(damaged)
        with suppress(InputError):
            assert np.array_equal(read_digit(tmp_path / "one.png"), digit)


def test_libtiff_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one().save(tmp_path / "one.tif", compression="tiff_lzw")
    content = bytearray((tmp_path / "one.tif").read_bytes())
    content[500:600] = bytes(100)
    (tmp_path / "one.tif").write_bytes(content)
    [error] = read_pictures([PictureFile(tmp_path / "one.tif", "one.tif")])
    assert "cannot be decoded" in str(error)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "F"])
def test_large_picture_is_reduced_first(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = one(900, 600)
    large = Image.fromarray(np.asarray(large).astype(np.uint16) * 200) if mode == "I;16" else large.convert(mode)
    large.save(tmp_path / "large.tif")
    expected = read_digit(tmp_path / "large.tif")
    monkeypatch.setattr(orient, "LARGE", 200_000)
    assert orient.orient(large).size == (450, 300)
    digit = read_digit(tmp_path / "large.tif")
    assert np.abs(digit - expected.astype(float)).sum() < 0.1 * expected.sum()


def test_number_of_pixels_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one().save(tmp_path / "one.png")
    one().save(tmp_path / "one.jpg")
    monkeypatch.setattr(decode, "MAX_PIXELS", 3000)
    with pytest.raises(InputError, match="has 60×60 pixels; reduce it to at most 3,000 pixels"):
        read_picture(tmp_path / "one.png")
    read_picture(tmp_path / "one.jpg")  # decoded at reduced size
    one().save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[one()])
    read_picture(tmp_path / "phone.jpg")
    monkeypatch.setattr(decode, "MAX_JPEG_PIXELS", 3000)
    with pytest.raises(InputError, match="has 60×60 pixels"):
        read_picture(tmp_path / "one.jpg")


def test_size_of_a_picture_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one().save(tmp_path / "one.png")
    read_picture(tmp_path / "one.png")
    with monkeypatch.context() as context:
        context.setattr(decode, "MAX_SIDE", 59)
        with pytest.raises(InputError, match="60×60 pixels.* and 59 a side"):
            read_picture(tmp_path / "one.png")
    monkeypatch.setattr(decode, "MAX_FILE_BYTES", 100)
    with pytest.raises(InputError, match="MiB; reduce it"):
        read_picture(tmp_path / "one.png")


@pytest.mark.parametrize(("name", "options", "limit", "accepted"), [
    ("one.png", {}, "MAX_PARTS", 3),  # header, data, end
    ("one.jpg", {}, "MAX_PARTS", 1),
    ("one.jpg", {"progressive": True}, "MAX_SCANS", 6),
    ("one.tif", {"tiffinfo": {278: 10}, "compression": "tiff_lzw"}, "MAX_PARTS", 6),  # strips of 10 rows
])  # fmt: skip
def test_number_of_parts_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any], limit: str, accepted: int
) -> None:
    one().save(tmp_path / name, **options)
    monkeypatch.setattr(verify, limit, accepted)
    read_picture(tmp_path / name)
    monkeypatch.setattr(verify, limit, accepted - 1)
    with pytest.raises(InputError, match="too many"):
        read_picture(tmp_path / name)


def test_data_of_a_deflated_tiff_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one().save(tmp_path / "one.tif", compression="tiff_deflate")
    content = (tmp_path / "one.tif").read_bytes()
    with Image.open(tmp_path / "one.tif") as picture:
        assert isinstance(picture, TiffImageFile)
        verify.verify_deflate(picture, content)
        with pytest.raises(zlib.error, match="overlapping"):
            verify.verify_deflate(picture, content[:500])
        monkeypatch.setattr(verify, "BLOCK_BYTES", 100)
        monkeypatch.setattr(verify, "MAX_PIXEL_BYTES", 0)
        monkeypatch.setattr(verify, "MARGIN", 60 * 60)
        verify.verify_deflate(picture, content)
        monkeypatch.setattr(verify, "MARGIN", 60 * 30)
        with pytest.raises(zlib.error, match="more than its pixels"):
            verify.verify_deflate(picture, content)


def test_blank_first_frame_is_reported_as_such(tmp_path: Path) -> None:
    Image.new("L", (60, 60), 200).save(tmp_path / "pages.tif", save_all=True, append_images=[one()])
    with pytest.raises(InputError, match=r"is blank.*\(its first frame\)"):
        read_picture(tmp_path / "pages.tif")


def test_infinite_pixels_are_the_brightest(tmp_path: Path) -> None:
    values = np.asarray(one()).astype(np.float32)
    values[:3, :3] = np.inf
    Image.fromarray(values).save(tmp_path / "one.tif")
    assert read_digit(tmp_path / "one.tif").any()


@pytest.mark.parametrize("name", ["a.gif", "a.pgm", "a.ppm", "a.pbm", "a.jp2", "a.avif", "a.webp", "a.bmp", "a.heic"])
def test_every_format_of_pictures_is_read(tmp_path: Path, name: str) -> None:
    """As the PNG of the same picture, within what its compression changes."""
    suffix = Path(name).suffix
    if suffix == ".heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    needed = {".jp2": "jpg_2000", ".avif": "avif", ".webp": "webp"}
    if suffix in needed and not features.check(needed[suffix]):
        pytest.skip(f"this Pillow cannot write {suffix}")
    picture = one()
    if suffix == ".pbm":
        picture = picture.point(lambda value: 255 if value > 127 else 0).convert("1")
    picture.save(tmp_path / name, quality=97)
    picture.save(tmp_path / "a.png")
    content_only = tmp_path / "digit"  # the content decides, not the name
    (tmp_path / name).rename(content_only)
    assert is_picture(content_only)
    difference = np.abs(read_digit(content_only).astype(float) - read_digit(tmp_path / "a.png"))
    assert difference.mean() < 5


def test_photograph_of_an_iphone_needs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digits.data.pictures.picture_formats.find_spec", lambda name: None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    with pytest.raises(InputError, match=r"a\.heic: a HEIC photograph; pip install pillow-heif, or save it as JPEG"):
        read_picture(tmp_path / "a.heic")
