"""The lists of `--help`, read from the configuration files and their comments.

Of several folders, the first one that has a file counts."""

import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten, wrap

from omegaconf import DictConfig, OmegaConf

from digits.cli.config_folders import read_file

WIDTH = 100
INDENT = " " * 24
LONGEST_DEFAULT = 7  # characters of a default that is shown
# In a file of conf/: an entry of the defaults list, a first comment, a setting with its default and comment.
DEFAULTS_ENTRY = re.compile(r"^  - (\w+): (\w+)", re.MULTILINE)
COMMENT = re.compile(r"^# (?!@package)(.*)", re.MULTILINE)
SETTING = re.compile(r"^(\w+): (.*?)  # (.*)$", re.MULTILINE)
TOP_LEVEL_NAME = re.compile(r"^(?:  - )?(\w+):", re.MULTILINE)


def help_page(folders: Sequence[Path], config_name: str) -> str:
    """The template in `hydra/help`. Hydra's own `--help` lists all groups and choices first, which takes 0.3 s."""
    page: DictConfig = OmegaConf.create(read_file(folders, f"hydra/help/{config_name}"))  # type: ignore[assignment]
    return str(page.template)


def describe_groups(folders: Sequence[Path], config_name: str) -> str:
    """The config groups in the order of the defaults list, and each choice with the first comment line of its file."""
    lines: list[str] = []
    for group, default in DEFAULTS_ENTRY.findall(read_file(folders, config_name)):
        lines += _describe_group(folders, group, default)
    return "\n".join(lines)


def _describe_group(folders: Sequence[Path], group: str, default: str) -> list[str]:
    lines: list[str] = []
    for choice in _list_choices(folders, group, default):
        comments = COMMENT.findall(read_file(folders, f"{group}/{choice}"))
        comment = comments[0] if comments else ""
        shown_group = "" if lines else group
        description = shorten(comment, WIDTH - 32, placeholder=" …")
        lines.append(f"{shown_group:<11} {choice:<18} {description}".rstrip())
    return lines


def _list_choices(folders: Sequence[Path], group: str, default: str) -> list[str]:
    """The choices of a group: the default first, those of subfolders last."""
    choices = set()
    for folder in folders:
        for path in (folder / group).rglob("*.yaml"):
            choice = path.relative_to(folder / group).with_suffix("").as_posix()
            if not choice.startswith("_"):
                choices.add(choice)
    return sorted(choices, key=lambda choice: (choice != default, "/" in choice, choice))


def top_level_settings(folders: Sequence[Path], config_name: str) -> list[str]:
    """The names of the settings and groups of a configuration."""
    names = dict.fromkeys(TOP_LEVEL_NAME.findall(read_file(folders, config_name)))
    return [name for name in names if name not in ("defaults", "hydra")]


def default_choices(folders: Sequence[Path], config_name: str) -> dict[str, str]:
    """The choice of each config group in the defaults list of a configuration."""
    return dict(DEFAULTS_ENTRY.findall(read_file(folders, config_name)))


def describe_settings(folders: Sequence[Path], config_name: str) -> str:
    """The settings at the top level of a configuration with their defaults and comments."""
    lines: list[str] = []
    for name, default, comment in SETTING.findall(read_file(folders, config_name)):
        shown_default = default if len(default) <= LONGEST_DEFAULT else "…"
        setting = f"{name}={shown_default}".ljust(len(INDENT))
        lines += wrap(comment, WIDTH - 4, initial_indent=setting, subsequent_indent=INDENT)
    return "\n".join(lines)
