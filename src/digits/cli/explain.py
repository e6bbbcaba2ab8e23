"""`explain=SETTING`: the places that set a value, in the order of precedence. Hydra composes; PyYAML counts lines."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from posixpath import dirname, join
from typing import Any

import yaml
from hydra.types import RunMode
from omegaconf import OmegaConf

from digits.cli.config_folders import config_loader, find_folder, read_file
from digits.cli.help import default_choices
from digits.cli.job import is_model_given, register_resolvers
from digits.cli.messages import Command
from digits.errors import InputError
from digits.installation import needs
from digits.private_apis.hydra import compute_defaults, hydra_put_aside

INTERPOLATION = re.compile(r"\$\{([\w.]+)\}")


def explain(key: str, command: Command) -> str:
    """The value of a setting, or the choice of a config group, and below it each place that sets it. The last one wins.
    The settings that an interpolation refers to follow.

    Raises InputError for an unknown key and for a sweep, and Hydra's errors if the command cannot be composed."""
    for word in command.words:
        is_setting = "=" in word or word.startswith("~")
        if word.startswith("-") or not is_setting:
            raise InputError(f"explain={key} describes a single run; omit {word}")
    with hydra_put_aside():
        register_resolvers()
        composition = Composition(command)
        if composition.config.hydra.mode == RunMode.MULTIRUN:
            raise InputError(f"explain={key} describes a single run; omit experiment=study/…, which is a sweep")
        lines = composition.describe(key)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Place:
    """Where a setting gets a value: `conf/optimizer/adam.yaml:4` or `command line`, and its text there."""

    where: str
    text: str


class Composition:
    """Hydra's composition of a command line: `config`, not resolved, and the files that it consists of."""

    def __init__(self, command: Command) -> None:
        self.words = command.words
        self.folders = command.folders
        self.config_name = command.config_name
        with config_loader(command.folders, command.config_name) as loader:
            self.config = loader.load_configuration(command.config_name, list(command.words), RunMode.RUN)
            defaults = compute_defaults(loader, command.config_name, command.words)
        self.choices = defaults.choices
        self.chosen_by = defaults.chosen_by
        self.overrides = defaults.overrides
        self.packages = {}
        for path, package in defaults.packages.items():
            is_own_file = find_folder(self.folders, path) is not None  # else a file of Hydra
            if is_own_file:
                self.packages[path] = package
        self.settings = _keys(OmegaConf.to_container(self.config, resolve=False))

    def describe(self, key: str) -> list[str]:
        """The lines of `explain`. Raises InputError for an unknown key."""
        group = key.replace(".", "/")
        references: list[str] = []
        if group in self.choices:
            value = _as_text(self.choices[group])
            places = self.choice_places(group)
        elif key in self.settings:
            value, references = self._describe_value(key)
            places = self.places(key)
        else:
            nearest = _nearest(key, [*self.settings, *self.choices])
            raise InputError(f"explain={key}: no such setting; did you mean {nearest}?")
        initial = self._initial_model() if key.partition(".")[0] == "model" else None
        if initial is not None:
            value = _as_text(initial.get(key.removeprefix("model."), initial["name"]))
            places.append(Place(f"init={self.config.init}", "the network of the checkpoint"))
        lines = [f"{key} = {value}"]
        width = max((len(place.where) for place in places), default=0)
        for place in places:
            lines.append(f"  {place.where:<{width}}  {place.text}")
        if not places:
            lines.append("  a default of Hydra")
        for reference in references:
            lines += self.describe(reference)
        return lines

    def _initial_model(self) -> dict[str, Any] | None:
        """The settings of the network in the checkpoint init=, if the run takes them from there."""
        init = OmegaConf.select(self.config, "init")
        default = default_choices(self.folders, self.config_name).get("model")
        if not isinstance(init, str) or is_model_given(self.settings["model"], default, self.words):
            return None
        with needs("init=", "PyTorch"):
            from digits.runs.initial_weights import initial_model  # imported late: needs torch

        return initial_model(init)

    def _describe_value(self, key: str) -> tuple[str, list[str]]:
        """The resolved value of a setting as text, and the settings that it refers to."""
        raw = self.settings[key]
        if raw == "???":
            return raw, []
        value = OmegaConf.select(self.config, key)
        if OmegaConf.is_config(value):
            value = OmegaConf.to_container(value, resolve=True)
        text = _as_text(value)
        if isinstance(raw, str) and "${" in raw:
            return f"{text}, from {raw}", INTERPOLATION.findall(raw)
        return text, []

    def places(self, key: str) -> list[Place]:
        """The places that set a setting; the last one wins."""
        places = []
        for config_path, package in self.packages.items():
            is_in_package = not package or key.startswith(f"{package}.")
            if not is_in_package:
                continue
            text, root = self._read(config_path)
            path_in_file = key.removeprefix(f"{package}.").split(".")
            node = _find_key(root, path_in_file)
            if node is not None:
                places.append(self._place(config_path, text, node))
        for override in self.overrides:
            if key in _keys(override.value(), override.key_or_group):
                places.append(Place("command line", str(override.input_line)))
        return places

    def choice_places(self, group: str) -> list[Place]:
        """The places that choose an option of a config group; the last one wins."""
        places = []
        for config_path in sorted(self.packages, key=lambda path: path == self.chosen_by.get(group)):
            text, root = self._read(config_path)
            for entry in _defaults_list(root):
                entry_key = entry.value.removeprefix("override ").strip()
                entry_group = join("/", dirname(config_path), entry_key)
                if entry_group == f"/{group}":
                    places.append(self._place(config_path, text, entry))
        for word in reversed(self.words):
            key = word.partition("=")[0].lstrip("+")
            if key == group:
                places.append(Place("command line", word))
                break
        return places

    def _read(self, config_path: str) -> tuple[str, yaml.Node]:
        text = read_file(self.folders, config_path)
        return text, yaml.compose(text, yaml.SafeLoader)

    def _place(self, config_path: str, text: str, node: yaml.Node) -> Place:
        line = node.start_mark.line
        folder = find_folder(self.folders, config_path)
        assert folder is not None
        where = f"{folder.name}/{config_path}.yaml:{line + 1}"
        return Place(where, text.splitlines()[line].strip())


def _find_key(node: yaml.Node | None, path: Sequence[str]) -> yaml.Node | None:
    """The node of the last key of a path through nested mappings."""
    if not isinstance(node, yaml.MappingNode):
        return None
    first, *rest = path
    for key, value in node.value:
        if key.value == first:
            return _find_key(value, rest) if rest else key
    return None


def _defaults_list(root: yaml.Node | None) -> list[yaml.Node]:
    """The keys of the entries `GROUP: CHOICE` of a defaults list."""
    keys: list[yaml.Node] = []
    if not isinstance(root, yaml.MappingNode):
        return keys
    for name, entries in root.value:
        if name.value != "defaults":
            continue
        for entry in entries.value:
            if isinstance(entry, yaml.MappingNode):
                keys += [key for key, _ in entry.value]
    return keys


def _keys(value: Any, prefix: str = "") -> dict[str, Any]:
    """All settings and groups of settings by dotted key."""
    keys = {}
    if prefix:
        keys[prefix] = value
    if isinstance(value, Mapping):
        for name, part in value.items():
            dotted_name = f"{prefix}.{name}" if prefix else str(name)
            keys.update(_keys(part, dotted_name))
    return keys


def _nearest(key: str, known: Sequence[str]) -> str:
    """The most similar key, as a whole and in its last part: `lr` finds `optimizer.lr`. In the same group, if it is
    known."""
    group = key.rpartition(".")[0]
    in_group = [other for other in known if f"{other}.".startswith(f"{group}.")]

    def similarity(other: str) -> float:
        of_all = SequenceMatcher(None, key, other).ratio()
        of_last = SequenceMatcher(None, _last_part(key), _last_part(other)).ratio()
        return of_all + of_last

    return max(in_group or known, key=similarity)


def _last_part(key: str) -> str:
    return key.rpartition(".")[2]


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
