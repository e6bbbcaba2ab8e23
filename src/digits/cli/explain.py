"""`explain=SETTING`: the places that set a value, in the order of precedence. Hydra composes; PyYAML counts lines."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from posixpath import dirname, join
from typing import Any, NamedTuple

import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from digits.cli.hydra_versions import VERSION_BASE
from digits.cli.job import register_resolvers
from digits.errors import InputError
from digits.private_apis import compute_defaults, hydra_put_aside


def explain(key: str, words: Sequence[str], config_dir: Path, config_name: str) -> str:
    """The value of a setting, or the choice of a config group, and below it each place that sets it. The last one wins.
    The settings that an interpolation refers to follow. `words` are the words of the command line.

    Raises InputError for an unknown key and for a sweep, and Hydra's errors if the words cannot be composed."""
    if options := [word for word in words if word.startswith("-") or ("=" not in word and not word.startswith("~"))]:
        raise InputError(f"explain={key} describes a single run; omit {options[0]}")
    with hydra_put_aside():
        register_resolvers()
        composition = Composition(words, config_dir, config_name)
        if composition.config.hydra.mode == RunMode.MULTIRUN:
            raise InputError(f"explain={key} describes a single run; omit experiment=study/…, which is a sweep")
        return "".join(f"{line}\n" for line in composition.describe(key))


class Place(NamedTuple):
    """Where a setting gets a value: `conf/optimizer/adam.yaml:4` or `command line`, and its text there."""

    where: str
    text: str


class Composition:
    """Hydra's composition of a command line: `config`, not resolved, and the files that it consists of."""

    def __init__(self, words: Sequence[str], config_dir: Path, config_name: str) -> None:
        self.words, self.config_dir = words, config_dir
        with initialize_config_dir(str(config_dir), config_name, **VERSION_BASE):
            loader = GlobalHydra.instance().config_loader()
            self.config = loader.load_configuration(config_name, list(words), RunMode.RUN)
            defaults = compute_defaults(loader, config_name, words)
        self.choices = defaults.choices
        self.chosen_by = defaults.chosen_by
        self.overrides = defaults.overrides
        self.packages = {
            path: package
            for path, package in defaults.packages.items()
            if (config_dir / f"{path}.yaml").is_file()  # else a file of Hydra's own
        }
        self.settings = _keys(OmegaConf.to_container(self.config, resolve=False))

    def describe(self, key: str) -> Iterator[str]:
        """The lines of `explain`. Raises InputError for an unknown key."""
        group, references = key.replace(".", "/"), []
        if group in self.choices:
            value, places = _as_text(self.choices[group]), self.choice_places(group)
        elif key in self.settings:
            raw = self.settings[key]
            value, places = _as_text(self._resolve(key) if raw != "???" else raw), self.places(key)
            if isinstance(raw, str) and "${" in raw:
                value += f", from {raw}"
                references = re.findall(r"\$\{([\w.]+)\}", raw)
        else:
            nearest = _nearest(key, [*self.settings, *self.choices])
            raise InputError(f"explain={key}: no such setting; did you mean {nearest}?")
        yield f"{key} = {value}"
        width = max((len(place.where) for place in places), default=0)
        yield from (f"  {where:<{width}}  {text}" for where, text in places)
        if not places:
            yield "  a default of Hydra"
        for reference in references:
            yield from self.describe(reference)

    def places(self, key: str) -> list[Place]:
        """The places that set a setting; the last one wins."""
        places = []
        for config_path, package in self.packages.items():
            if package and not key.startswith(f"{package}."):
                continue
            text, root = self._read(config_path)
            if node := _find_key(root, key.removeprefix(f"{package}.").split(".")):
                places.append(self._place(config_path, text, node))
        overrides = [item for item in self.overrides if key in _keys(item.value(), item.key_or_group)]
        return places + [Place("command line", str(override.input_line)) for override in overrides]

    def choice_places(self, group: str) -> list[Place]:
        """The places that choose an option of a config group; the last one wins."""
        places = []
        for config_path in sorted(self.packages, key=lambda path: path == self.chosen_by.get(group)):
            text, root = self._read(config_path)
            for entry in _defaults_list(root):
                entry_key = entry.value.removeprefix("override ").strip()
                if join("/", dirname(config_path), entry_key) == f"/{group}":
                    places.append(self._place(config_path, text, entry))
        chosen = [word for word in self.words if word.partition("=")[0].lstrip("+") == group]
        return places + [Place("command line", word) for word in chosen[-1:]]

    def _resolve(self, key: str) -> Any:
        value = OmegaConf.select(self.config, key)
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value

    def _read(self, config_path: str) -> tuple[str, yaml.Node]:
        text = (self.config_dir / f"{config_path}.yaml").read_text(encoding="utf-8")
        return text, yaml.compose(text, yaml.SafeLoader)

    def _place(self, config_path: str, text: str, node: yaml.Node) -> Place:
        line = node.start_mark.line
        return Place(f"{self.config_dir.name}/{config_path}.yaml:{line + 1}", text.splitlines()[line].strip())


def _find_key(node: yaml.Node | None, path: Sequence[str]) -> yaml.Node | None:
    """The node of the last key of a path through nested mappings."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == path[0]:
            return _find_key(value, path[1:]) if path[1:] else key
    return None


def _defaults_list(root: yaml.Node | None) -> list[yaml.Node]:
    """The keys of the entries `GROUP: CHOICE` of a defaults list."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else ()
    entries = [entry for key, value in pairs if key.value == "defaults" for entry in value.value]
    return [key for entry in entries if isinstance(entry, yaml.MappingNode) for key, _ in entry.value]


def _keys(value: Any, prefix: str = "") -> dict[str, Any]:
    """All settings and groups of settings by dotted key."""
    keys = {prefix: value} if prefix else {}
    if isinstance(value, Mapping):
        for name, part in value.items():
            keys |= _keys(part, f"{prefix}.{name}" if prefix else str(name))
    return keys


def _nearest(key: str, known: Sequence[str]) -> str:
    """The most similar key, as a whole and in its last part: `lr` finds `optimizer.lr`. In the same group, if it is
    known."""
    group = key.rpartition(".")[0]
    known = [other for other in known if f"{other}.".startswith(f"{group}.")] or known

    def similarity(one: str, other: str) -> float:
        return SequenceMatcher(None, one, other).ratio()

    return max(known, key=lambda other: similarity(key, other) + similarity(_last(key), _last(other)))


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
