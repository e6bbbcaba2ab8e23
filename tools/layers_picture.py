"""Draws the packages of `src/digits` by layer, with every import between them.

    python -m tools.layers_picture --save docs/architecture.png

The layers come from the contract in pyproject.toml, the imports and lines from the source.
"""

import argparse
import tomllib
from pathlib import Path

import grimp
from matplotlib.figure import Figure

PROJECT = Path(__file__).parent.parent
LABELS = {
    "__main__": "the command digits",
    "installation": "missing packages",
    "hydra_plugins": "sweepers",
    "cli": "errors in one line, help",
    "studies": "many runs compared",
    "training": "one run",
    "prediction": "checkpoints + digits → CSV",
    "runs": "the folder of a run",
    "data": "files → batches",
    "models": "networks",
    "evaluation": "error rate, plots",
    "text_settings": "texts of the command line",
    "settings": "typed settings",
    "settings_checks": "checks of values",
    "config": "dotted keys",
    "instantiation": "allowed _target_",
    "private_apis": "private parts of libraries",
    "files": "atomic writes",
    "devices": "hardware",
    "seeding": "random numbers",
    "errors": "InputError",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", type=Path, default=PROJECT / "docs" / "architecture.png", help="the PNG to write")
    draw(read_layers(), read_imports(), parser.parse_args().save)


def read_layers() -> list[list[str]]:
    """The layers from top to bottom, each with its packages."""
    linter = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers")
    return [[package_of(module.strip()) for module in layer.split("|")] for layer in layers]


def read_imports() -> set[tuple[str, str]]:
    """Pairs of packages, of which the first imports the second."""
    graph = grimp.build_graph("digits", "hydra_plugins")
    pairs = {
        (package_of(module), package_of(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if not imported.startswith("hydra_plugins.hydra_")  # plugins of others, installed into the same package
    }
    return {(importer, imported) for importer, imported in pairs if importer != imported}


def package_of(module: str) -> str:
    """`digits.data.idx` belongs to `data`."""
    first, *rest = module.split(".")
    return rest[0] if first == "digits" and rest else first


def count_lines(package: str) -> tuple[int, int]:
    """Files and lines of a package."""
    source = PROJECT / "src"
    folder = source / package if package == "hydra_plugins" else source / "digits" / package
    paths = [path for path in folder.rglob("*.py") if path.stat().st_size] or [folder.with_suffix(".py")]
    return len(paths), sum(len(path.read_text().splitlines()) for path in paths)


def draw(layers: list[list[str]], imports: set[tuple[str, str]], path: Path) -> None:
    figure = Figure(figsize=(10, 8.2), layout="constrained")
    axis = figure.subplots()
    centers = {}
    for row, layer in enumerate(layers):
        for column, package in enumerate(layer):
            centers[package] = ((column + 0.5) / len(layer), -row)
    for importer, imported in sorted(imports):
        if importer in centers and imported in centers and imported != "errors":  # which all packages import
            style = {"arrowstyle": "-|>", "color": "0.72", "lw": 0.9, "shrinkA": 22, "shrinkB": 22}
            axis.annotate("", centers[imported], centers[importer], arrowprops=style, zorder=1)
    box = {"boxstyle": "round,pad=0.5", "facecolor": "#eef3fa", "edgecolor": "#4c72b0"}
    for package, (x, y) in centers.items():
        files, lines = count_lines(package)
        size = f"{files} {'file' if files == 1 else 'files'}, {lines:,} lines"
        text = f"{package}\n{LABELS.get(package, '')}\n{size}"
        axis.text(x, y, text, ha="center", va="center", fontsize=9, bbox=box, zorder=2)
    axis.set(
        xlim=(0, 1), ylim=(0.5 - len(layers), 0.5), title="Imports point downwards. All packages may import errors."
    )
    axis.set_axis_off()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
