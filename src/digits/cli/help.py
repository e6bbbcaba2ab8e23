"""The lists of `--help`, read from the configuration files and their comments."""

import re
from pathlib import Path
from textwrap import shorten, wrap

WIDTH = 100
INDENT = " " * 24
LONGEST_DEFAULT = 7  # characters of a default that is shown
# In a file of conf/: an entry of the defaults list, a first comment, a setting with its default and comment.
DEFAULTS_ENTRY = re.compile(r"^  - (\w+): (\w+)", re.MULTILINE)
COMMENT = re.compile(r"^# (?!@package)(.*)", re.MULTILINE)
SETTING = re.compile(r"^(\w+): (.*?)  # (.*)$", re.MULTILINE)
TOP_LEVEL_NAME = re.compile(r"^(?:  - )?(\w+):", re.MULTILINE)


def describe_groups(config_dir: Path, config_name: str) -> str:
    """The config groups in the order of the defaults list, and each choice with the first comment line of its file."""
    lines: list[str] = []
    for group, default in DEFAULTS_ENTRY.findall(_read(config_dir, config_name)):
        lines += _describe_group(config_dir / group, default)
    return "\n".join(lines)


def _describe_group(folder: Path, default: str) -> list[str]:
    lines: list[str] = []
    for choice in _list_choices(folder, default):
        comments = COMMENT.findall(_read(folder, choice))
        comment = comments[0] if comments else ""
        group = "" if lines else folder.name
        description = shorten(comment, WIDTH - 32, placeholder=" …")
        lines.append(f"{group:<11} {choice:<18} {description}".rstrip())
    return lines


def _list_choices(folder: Path, default: str) -> list[str]:
    """The choices of a group: the default first, those of subfolders last."""
    choices = []
    for path in folder.rglob("*.yaml"):
        choice = path.relative_to(folder).with_suffix("").as_posix()
        if not choice.startswith("_"):
            choices.append(choice)
    return sorted(choices, key=lambda choice: (choice != default, "/" in choice, choice))


def top_level_settings(config_dir: Path, config_name: str) -> list[str]:
    """The names of the settings and groups of a configuration."""
    names = dict.fromkeys(TOP_LEVEL_NAME.findall(_read(config_dir, config_name)))
    return [name for name in names if name not in ("defaults", "hydra")]


def default_choices(config_dir: Path, config_name: str) -> dict[str, str]:
    """The choice of each config group in the defaults list of a configuration."""
    return dict(DEFAULTS_ENTRY.findall(_read(config_dir, config_name)))


def describe_settings(config_dir: Path, config_name: str) -> str:
    """The settings at the top level of a configuration with their defaults and comments."""
    lines: list[str] = []
    for name, default, comment in SETTING.findall(_read(config_dir, config_name)):
        shown_default = default if len(default) <= LONGEST_DEFAULT else "…"
        setting = f"{name}={shown_default}".ljust(len(INDENT))
        lines += wrap(comment, WIDTH - 4, initial_indent=setting, subsequent_indent=INDENT)
    return "\n".join(lines)


def _read(folder: Path, name: str) -> str:
    return (folder / f"{name}.yaml").read_text("utf-8")
