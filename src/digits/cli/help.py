"""The lists of `--help`, read from the configuration files and their comments."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten, wrap

WIDTH = 100
INDENT = " " * 24


def describe_groups(config_dir: Path, config_name: str) -> str:
    """The config groups in the order of the defaults list, and each choice with the first comment line of its file."""
    defaults = re.findall(r"^  - (\w+): (\w+)", (config_dir / f"{config_name}.yaml").read_text("utf-8"), re.MULTILINE)
    return "\n".join(line for group, default in defaults for line in _describe_group(config_dir / group, default))


def _describe_group(folder: Path, default: str) -> Iterator[str]:
    choices = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")]
    order = sorted(choices, key=lambda choice: (choice != default, "/" in choice, choice))
    for index, choice in enumerate(choice for choice in order if not choice.startswith("_")):
        comments = re.findall(r"^# (?!@package)(.*)", (folder / f"{choice}.yaml").read_text("utf-8"), re.MULTILINE)
        description = shorten(" ".join(comments[:1]), WIDTH - 32, placeholder=" …")
        yield f"{'' if index else folder.name:<11} {choice:<18} {description}".rstrip()


def top_level_settings(config_dir: Path, config_name: str) -> list[str]:
    """The names of the settings and groups of a configuration."""
    text = (config_dir / f"{config_name}.yaml").read_text("utf-8")
    names = re.findall(r"^(?:  - )?(\w+):", text, re.MULTILINE)
    return [name for name in dict.fromkeys(names) if name not in ("defaults", "hydra")]


def describe_settings(config_dir: Path, config_name: str) -> str:
    """The settings at the top level of a configuration with their defaults and comments."""
    text = (config_dir / f"{config_name}.yaml").read_text("utf-8")
    lines = []
    for name, default, comment in re.findall(r"^(\w+): (.*?)  # (.*)$", text, re.MULTILINE):
        setting = f"{name}={default if len(default) < 8 else '…'}"
        lines += wrap(comment, WIDTH - 4, initial_indent=setting.ljust(24), subsequent_indent=INDENT)
    return "\n".join(lines)
