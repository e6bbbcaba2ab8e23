"""Which files are pictures: those of a folder, a glob, an archive or a tree with one folder for each digit."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from digits.data.formats.archives import IGNORED_NAMES, list_zip_names, unpack
from digits.data.formats.digit_file import InputFile
from digits.data.pictures.picture_formats import PICTURE_SUFFIXES, PictureFile
from digits.errors import InputError, plural
from digits.files import glob_matches, translate_read_errors

DIGIT_NAMES = tuple("0123456789")
MAX_NAMED = 5  # suffixes or folders in a line


@dataclass(frozen=True)
class FoundPictures:
    """Pictures, and a description of the other files and folders beside them."""

    pictures: Sequence[PictureFile]
    skipped: str | None = None


def find_in_folder(folder: str) -> FoundPictures:
    """The pictures of a folder, or of its folders 0 to 9, sorted by name. Hidden files are not counted.

    Raises InputError if there is none."""
    files, unread_folders = _list_folder(Path(folder))
    if not _has_picture(files):
        digit_folders = [subfolder for subfolder in unread_folders if subfolder.name in DIGIT_NAMES]
        unread_folders = [subfolder for subfolder in unread_folders if subfolder.name not in DIGIT_NAMES]
        for digit_folder in digit_folders:
            files += _list_folder(digit_folder)[0]
    if not _has_picture(files):
        if files:
            raise InputError(f"{folder}: holds {_describe_others(files)}")
        raise InputError(f"{folder}: a folder without pictures ({describe_suffixes()})")
    return _sort_out([PictureFile(path, str(path)) for path in files], unread_folders)


def find_by_glob(pattern: str) -> FoundPictures | None:
    """The pictures that match a glob, or its only match of any kind. None if the name is not a glob.

    Raises InputError if there is none."""
    matches = glob_matches(pattern)
    if matches is None:
        return None
    if len(matches) == 1 and matches[0].is_file():
        return FoundPictures([PictureFile(matches[0], str(matches[0]))])
    if not _has_picture(matches):
        files = [path for path in matches if not path.is_dir()]
        if files:
            raise InputError(f"{pattern}: matches {_describe_others(files)}")
        raise InputError(f"{pattern}: matches no file")
    return _sort_out([PictureFile(path, str(path)) for path in matches if not path.is_dir()])


def is_archive_of_pictures(path: Path) -> bool:
    """Whether a file is a ZIP archive with at least one picture."""
    return any(is_picture_name(name) for name in list_zip_names(path))


def find_in_archive(path: Path, folder: Path) -> FoundPictures:
    """Unpacks the pictures of a ZIP archive into `folder`. Raises InputError if the archive is damaged."""
    members = unpack(InputFile(path, str(path)), "zip", folder)
    return _sort_out([PictureFile(member.path, f"{path}/{member.name}") for member in members])


def is_picture_name(name: str) -> bool:
    return name.lower().endswith(PICTURE_SUFFIXES)


def label_of_folder(picture: PictureFile) -> int | None:
    """The digit that names the folder of a picture. None if the folder has another name."""
    folder = PurePosixPath(picture.name.replace(os.sep, "/")).parent.name
    return int(folder) if folder in DIGIT_NAMES else None


def describe_suffixes() -> str:
    return ", ".join(suffix[1:] for suffix in PICTURE_SUFFIXES)


def _list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files and the folders in a folder, sorted by name, without hidden ones and what systems add."""
    with translate_read_errors(str(folder)):
        names = sorted(os.listdir(folder))
    visible = [name for name in names if not name.startswith(".") and name not in IGNORED_NAMES]
    files = []
    folders = []
    for name in visible:
        path = folder / name
        if path.is_dir():
            folders.append(path)
        else:
            files.append(path)
    return files, folders


def _has_picture(files: Sequence[Path]) -> bool:
    return any(is_picture_name(path.name) for path in files)


def _describe_others(files: Sequence[Path]) -> str:
    """The files of a folder or a glob without pictures, for a message."""
    names = ", ".join(path.name for path in files[:3])
    if len(files) > 3:
        names += ", …"
    return f"{plural(len(files), 'file')}, no picture ({names}); only one file of digits can be read at a time"


def _sort_out(files: Sequence[PictureFile], unread_folders: Sequence[Path] = ()) -> FoundPictures:
    """Separates pictures from other files by their names."""
    pictures = []
    others = []
    for file in files:
        if is_picture_name(file.name):
            pictures.append(file)
        else:
            others.append(file.name)
    return FoundPictures(_with_labels(pictures), _describe_skipped(others, unread_folders))


def _with_labels(pictures: Sequence[PictureFile]) -> Sequence[PictureFile]:
    """The same pictures, with labels if all lie in folders that are named after several digits."""
    labels = [label_of_folder(picture) for picture in pictures]
    has_several_labels = len(set(labels)) > 1
    if None in labels or not has_several_labels:
        return pictures
    return [replace(picture, label=label) for picture, label in zip(pictures, labels, strict=True)]


def _describe_skipped(names: Sequence[str], folders: Sequence[Path]) -> str | None:
    """A line about what is not read: `2 files skipped: .mov, .txt; 1 folder skipped: old`."""
    parts = []
    if names:
        parts.append(f"{plural(len(names), 'file')} skipped: {_join_suffixes(names)}")
    if folders:
        shown = ", ".join(folder.name for folder in folders[:MAX_NAMED])
        if len(folders) > MAX_NAMED:
            shown += ", …"
        parts.append(f"{plural(len(folders), 'folder')} skipped: {shown}")
    return "; ".join(parts) or None


def _join_suffixes(names: Sequence[str]) -> str:
    """The most common suffixes of files, or the names of those that have none."""
    suffixes = Counter(PurePosixPath(name).suffix.lower() or name for name in names)
    shown = ", ".join(suffix for suffix, _ in suffixes.most_common(MAX_NAMED))
    if len(suffixes) > MAX_NAMED:
        shown += ", …"
    return shown
