"""Which files are pictures: those of a folder, a glob, an archive or a tree with one folder for each digit."""

import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from digits.data.formats.archives import IGNORED_NAMES, is_ignored_name, unpack
from digits.data.formats.digit_file import InputFile
from digits.data.pictures.decode import PictureFile
from digits.data.pictures.picture_formats import PICTURE_SUFFIXES
from digits.errors import InputError
from digits.files import glob_matches, translate_read_errors

DIGIT_NAMES = tuple("0123456789")
MAX_NAMED_SUFFIXES = 5


@dataclass(frozen=True)
class FoundPictures:
    """Pictures, and a description of the other files beside them."""

    pictures: Sequence[PictureFile]
    skipped: str | None = None


def find_in_folder(folder: str) -> FoundPictures:
    """The pictures of a folder, or of its folders 0 to 9, sorted by name. Hidden files are not counted.

    Raises InputError if there is none."""
    files = _list_files(Path(folder))
    pictures = [path for path in files if is_picture_name(path.name)]
    if not pictures:
        for digit in DIGIT_NAMES:
            files += _list_files(Path(folder, digit)) if Path(folder, digit).is_dir() else []
        pictures = [path for path in files if is_picture_name(path.name)]
    if not pictures:
        held = ", ".join(path.name for path in files[:3])
        hint = f"; it holds {held}: give one of its files" if held else ""
        raise InputError(f"{folder}: a folder without pictures ({describe_suffixes()}){hint}")
    others = [path.name for path in files if not is_picture_name(path.name)]
    return FoundPictures(_with_labels(PictureFile(path, str(path)) for path in pictures), _describe_skipped(others))


def find_by_glob(pattern: str) -> FoundPictures | None:
    """The pictures that match a glob. None if the name is not a glob. Raises InputError if there is none."""
    matches = glob_matches(pattern)
    if matches is None:
        return None
    pictures = [path for path in matches if is_picture_name(path.name)]
    if len(matches) == 1 and matches[0].is_file():  # any file of digits
        return FoundPictures([PictureFile(matches[0], str(matches[0]))])
    if not pictures:
        held = ", ".join(path.name for path in matches[:3])
        hint = f"; it matches {held}: give one of them" if held else ""
        raise InputError(f"{pattern}: matches no picture ({describe_suffixes()}){hint}")
    others = [path.name for path in matches if not path.is_dir() and not is_picture_name(path.name)]
    return FoundPictures(_with_labels(PictureFile(path, str(path)) for path in pictures), _describe_skipped(others))


def is_archive_of_pictures(path: Path) -> bool:
    """Whether a file is a ZIP archive with at least one picture."""
    if not os.path.isfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):  # no archive, or a damaged one
        return False
    return any(is_picture_name(name) and not is_ignored_name(name) for name in names)


def find_in_archive(path: Path, folder: Path) -> FoundPictures:
    """Unpacks the pictures of a ZIP archive into `folder`. Raises InputError if the archive is damaged."""
    members = unpack(InputFile(path, str(path)), "zip", folder)
    pictures = []
    for member in members:
        if is_picture_name(member.name):
            pictures.append(PictureFile(member.path, f"{path}/{member.name}"))
    others = [member.name for member in members if not is_picture_name(member.name)]
    return FoundPictures(_with_labels(pictures), _describe_skipped(others))


def is_picture_name(name: str) -> bool:
    return name.lower().endswith(PICTURE_SUFFIXES)


def describe_suffixes() -> str:
    return ", ".join(suffix[1:] for suffix in PICTURE_SUFFIXES)


def _list_files(folder: Path) -> list[Path]:
    """The files of a folder, sorted by name, without hidden ones and what systems add."""
    with translate_read_errors(str(folder)):
        names = sorted(os.listdir(folder))
    visible = [name for name in names if not name.startswith(".") and name not in IGNORED_NAMES]
    return [folder / name for name in visible if not (folder / name).is_dir()]


def _with_labels(files: Iterable[PictureFile]) -> list[PictureFile]:
    """The same pictures, with labels if all lie in folders that are named after several digits."""
    pictures = list(files)
    folders = [PurePosixPath(picture.name.replace(os.sep, "/")).parent.name for picture in pictures]
    if len(set(folders)) < 2 or not set(folders) <= set(DIGIT_NAMES):
        return pictures
    return [replace(picture, label=int(folder)) for picture, folder in zip(pictures, folders, strict=True)]


def _describe_skipped(names: Sequence[str]) -> str | None:
    """A line about files that are no pictures: `2 files skipped: .mov, .txt`."""
    if not names:
        return None
    suffixes = Counter(PurePosixPath(name).suffix.lower() or name for name in names)
    shown = ", ".join(suffix for suffix, _ in suffixes.most_common(MAX_NAMED_SUFFIXES))
    noun = "file" if len(names) == 1 else "files"
    return f"{len(names):,} {noun} skipped: {shown}"
