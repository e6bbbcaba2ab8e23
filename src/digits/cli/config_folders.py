"""The folders in which Hydra searches configurations: the user's own, `--config-dir`, and then `conf/`.

Hydra itself searches `--config-dir` last, where a file cannot replace one of `conf/`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra

from digits.cli.hydra_versions import VERSION_BASE
from digits.errors import InputError
from digits.private_apis.hydra import hydra_put_aside, search_more_folders


def take_folders(words: Sequence[str], conf: Path) -> tuple[list[Path], list[str]]:
    """The folders that a command line searches, in their order, and its words without the options for them.

    Raises InputError for a folder that does not exist."""
    first, words = _take_option(words, "--config-path", "-cp")
    own, words = _take_option(words, "--config-dir", "-cd")
    in_hydras_order = [first, own]
    folders = in_hydras_order if first is not None else [own, conf]
    return [folder for folder in folders if folder is not None], words


def hydra_options(folders: Sequence[Path]) -> list[str]:
    """The options with which Hydra searches one or two folders in their order."""
    options = ("--config-path", "--config-dir")
    return [f"{option}={folder}" for option, folder in zip(options, folders, strict=False)]


@contextmanager
def config_loader(folders: Sequence[Path], job_name: str) -> Iterator[ConfigLoader]:
    """Hydra's loader of configurations for these folders, apart from the Hydra that this process may have."""
    with hydra_put_aside(), initialize_config_dir(str(folders[0]), job_name, **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
        yield search_more_folders(loader, folders[1:])


def require_choices(folders: Sequence[Path], words: Sequence[str]) -> None:
    """Raises InputError for `GROUP=null`, which is a ValueError in Hydra."""
    for word in words:
        group, _, choices = word.partition("=")
        if group == "" or "null" not in choices.split(","):
            continue
        # os.path: other than a Path, it accepts a name that is too long for a folder.
        if any(os.path.isdir(folder / group) for folder in folders):
            raise InputError(f"{word}: no such choice; --help lists them")


def find_folder(folders: Sequence[Path], name: str) -> Path | None:
    """The first folder that has a configuration such as `optimizer/adam`."""
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return folder
    return None


def read_file(folders: Sequence[Path], name: str) -> str:
    """The text of a configuration such as `optimizer/adam`. Raises InputError if no folder has it."""
    folder = find_folder(folders, name)
    if folder is None:
        raise InputError(f"{name}.yaml: no such file in {', '.join(map(str, folders))}")
    return (folder / f"{name}.yaml").read_text("utf-8")


def _take_option(words: Sequence[str], *names: str) -> tuple[Path | None, list[str]]:
    """The folder of `--option FOLDER` or `--option=FOLDER`, and the other words. The last one counts."""
    folder = None
    others = []
    remaining = iter(words)
    for word in remaining:
        name, has_value, value = word.partition("=")
        if name not in names:
            others.append(word)
            continue
        if not has_value:
            value = next(remaining, "")
        folder = Path(value).absolute()
        if not value or not os.path.isdir(folder):
            given = f"{name} {value}".strip()
            raise InputError(f"{given}: no such folder")
    return folder, others
