"""Pictures are found in folders, trees, globs and archives; nothing is skipped in silence."""

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from digits.data.formats.picture_files import (
    find_by_glob,
    find_in_archive,
    find_in_folder,
    is_archive_of_pictures,
)
from digits.errors import InputError


def save(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg"):
            Image.new("L", (28, 28)).save(path)
        else:
            path.write_bytes(b"x")


def test_other_files_of_a_folder_are_counted(tmp_path: Path) -> None:
    save(tmp_path, "a.png", "b.jpg", "film.mov", "notes.txt", "more.txt", ".DS_Store", ".hidden.png", "Thumbs.db")
    found = find_in_folder(str(tmp_path))
    assert [picture.path.name for picture in found.pictures] == ["a.png", "b.jpg"]
    assert found.skipped == "3 files skipped: .txt, .mov"
    assert [picture.label for picture in found.pictures] == [None, None]


def test_skipped_kinds_beyond_five_are_not_hidden(tmp_path: Path) -> None:
    save(tmp_path, "a.png", "a.csv", "a.mat", "a.npz", "a.txt", "a.mov", "a.pkl")
    found = find_in_folder(str(tmp_path))
    assert found.skipped is not None
    assert found.skipped.startswith("6 files skipped: ")
    assert found.skipped.endswith(", …")


def test_photographs_of_iphones_are_not_skipped(tmp_path: Path) -> None:
    save(tmp_path, "a.png", "b.HEIC")
    found = find_in_folder(str(tmp_path))
    assert [picture.path.name for picture in found.pictures] == ["a.png", "b.HEIC"]
    assert found.skipped is None


def test_folders_of_a_tree_are_labels(tmp_path: Path) -> None:
    save(tmp_path, "7/b.png", "0/a.png", "0/c.txt", "other/d.png")
    found = find_in_folder(str(tmp_path))
    assert [(picture.name, picture.label) for picture in found.pictures] == [
        (f"{tmp_path}/0/a.png", 0), (f"{tmp_path}/7/b.png", 7),
    ]  # fmt: skip
    assert found.skipped == "1 file skipped: .txt; 1 folder skipped: other"
    by_glob = find_by_glob(f"{tmp_path}/[0-9]/*.png")
    assert by_glob is not None
    assert [picture.label for picture in by_glob.pictures] == [0, 7]


def test_tree_beside_pictures_is_not_skipped_in_silence(tmp_path: Path) -> None:
    save(tmp_path, "preview.png", "7/a.png", "3/b.png")
    found = find_in_folder(str(tmp_path))
    assert [picture.path.name for picture in found.pictures] == ["preview.png"]
    assert found.skipped == "2 folders skipped: 3, 7"


def test_one_folder_named_after_a_digit_is_no_label(tmp_path: Path) -> None:
    save(tmp_path, "7/a.png", "7/b.png")
    assert [picture.label for picture in find_in_folder(str(tmp_path / "7")).pictures] == [None, None]


def test_folder_without_pictures_names_what_it_holds(tmp_path: Path) -> None:
    save(tmp_path, "train.csv")
    with pytest.raises(InputError, match=r"holds 1 file, no picture \(train\.csv\); only one file of digits"):
        find_in_folder(str(tmp_path))


def test_pictures_of_an_archive_have_their_names_in_it(tmp_path: Path) -> None:
    save(tmp_path, "3/a.png", "5/b.png", "readme.txt")
    with zipfile.ZipFile(tmp_path / "digits.zip", "w") as archive:
        for name in ("3/a.png", "5/b.png", "readme.txt"):
            archive.write(tmp_path / name, name)
    assert is_archive_of_pictures(tmp_path / "digits.zip")
    (tmp_path / "unpacked").mkdir()
    found = find_in_archive(tmp_path / "digits.zip", tmp_path / "unpacked")
    assert [(picture.name, picture.label) for picture in found.pictures] == [
        (f"{tmp_path}/digits.zip/3/a.png", 3), (f"{tmp_path}/digits.zip/5/b.png", 5),
    ]  # fmt: skip
    assert found.skipped == "1 file skipped: .txt"


def test_other_archives_hold_no_pictures(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("train.csv", "x")
    assert not is_archive_of_pictures(tmp_path / "data.zip")
    assert not is_archive_of_pictures(tmp_path / "missing.zip")
