"""Features that need packages of the full installation name them in one line."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from helpers import PROJECT

from digits.errors import InputError
from digits.installation import needs

LINE = "error: training needs PyTorch and Lightning: make install\n"
HIDE = "\n".join([
    "import importlib.abc, importlib.metadata, sys",
    "class Finder(importlib.abc.MetaPathFinder):",
    "    def find_spec(self, name, path, target=None):",
    "        if name in {packages}:",
    "            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)",
    "sys.meta_path.insert(0, Finder())",
    "original = importlib.metadata.version",
    "def version(name):",
    "    if name in {packages}:",
    "        raise importlib.metadata.PackageNotFoundError(name)",
    "    return original(name)",
    "importlib.metadata.version = version",
])  # fmt: skip


@pytest.fixture
def hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run as if the packages of training were not installed. Python runs `sitecustomize` at its start."""
    heavy = ("torch", "torchvision", "lightning", "torchmetrics", "pandas", "matplotlib", "mlxtend", "onnxscript")
    folder = tmp_path / "hide"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDE.format(packages=heavy))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("hide")
@pytest.mark.parametrize("words", ["", "-m seed=0,1", "experiment=study/smoke", "find=lr", "debug=true"])
def test_training_is_refused_in_one_line(tmp_path: Path, words: str) -> None:
    process = run(str(PROJECT / "train.py"), *words.split(), folder=tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (1, "", LINE)
    assert not (tmp_path / "outputs").exists()


@pytest.mark.usefixtures("hide")
def test_explaining_the_network_of_a_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    process = run(str(PROJECT / "train.py"), "explain=model", "init=bundled", folder=tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (1, "", "error: init= needs PyTorch: make install\n")


@pytest.mark.usefixtures("hide")
def test_tables_of_studies_are_refused_in_one_line(tmp_path: Path) -> None:
    process = run("-m", "digits.studies", str(PROJECT / "docs" / "results" / "default"), folder=tmp_path)
    line = "error: python -m digits.studies needs pandas and matplotlib: make install\n"
    assert (process.returncode, process.stdout, process.stderr) == (1, "", line)


@pytest.mark.usefixtures("hide")
@pytest.mark.parametrize("words", ["train --help", "train --cfg job", "train explain=seed", "predict --help"])
def test_help_and_configuration_need_no_heavy_package(tmp_path: Path, words: str) -> None:
    process = run("-m", "digits", *words.split(), folder=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.usefixtures("hide")
def test_page_to_correct_labels_needs_no_heavy_package(tmp_path: Path) -> None:
    photo = PROJECT / "docs" / "photo.jpg"
    process = run(str(PROJECT / "predict.py"), f"input={photo}", "review=wrong.html", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "wrong.html").is_file()


@pytest.mark.usefixtures("hide")
def test_missing_checkpoint_needs_no_package(tmp_path: Path) -> None:
    photo = PROJECT / "docs" / "photo.jpg"
    process = run(str(PROJECT / "predict.py"), "checkpoint=none.ckpt", f"input={photo}", folder=tmp_path)
    assert process.stderr.startswith("error: none.ckpt: no such checkpoint")


def test_package_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnxruntime.py").write_text(
        "raise ImportError('libgomp.so.1: cannot open shared object file', name='onnxruntime.capi.native')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    expected = r"^prediction needs ONNX Runtime, but onnxruntime cannot be loaded \(libgomp\.so\.1: .*\)"
    with pytest.raises(InputError, match=expected), needs("prediction", "ONNX Runtime"):
        import onnxruntime  # noqa: F401


@pytest.mark.parametrize("package", ["numpy", "PIL", "scipy", "onnxruntime"])
def test_broken_package_is_one_line(tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error without a name, as NumPy and Pillow raise it."""
    (tmp_path / f"{package}.py").write_text("raise ImportError('made for\\nanother Python')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    process = run(str(PROJECT / "predict.py"), f"input={PROJECT / 'docs' / 'photo.jpg'}", folder=tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith("error: prediction needs ")
    assert "cannot be loaded (made for" in process.stderr
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize("error", [ImportError, ModuleNotFoundError])
def test_missing_modules_of_the_project_are_no_error_of_the_user(error: type[ImportError]) -> None:
    with pytest.raises(error), needs("training", "PyTorch"):
        raise error("No module", name="digits.nothing")


def test_missing_package_of_a_package_is_an_error_of_the_user() -> None:
    with pytest.raises(InputError, match="^the model needs the package onnx: make install$"):  # noqa: SIM117
        with needs("the model", "the package onnx"):
            raise ModuleNotFoundError("No module named 'google'", name="google")


def test_prediction_sends_no_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With telemetry, ONNX Runtime writes an identifier into the home folder. It has none where a CI service runs."""
    for name in list(os.environ):
        if name.startswith(("CI", "GITHUB_", "ORT_", "XDG_", "TF_BUILD")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    run(str(PROJECT / "predict.py"), f"input={PROJECT / 'docs' / 'photo.jpg'}", folder=tmp_path)
    assert list(tmp_path.rglob("*onnxruntime*")) == []


def test_light_installation_has_the_versions_of_the_full_one() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    light = project["dependency-groups"]["predict"]
    assert set(light) <= set(project["project"]["dependencies"])
    full_lock, light_lock = (
        {line for line in (PROJECT / name).read_text().splitlines() if "==" in line}
        for name in ("requirements.lock", "requirements-predict.lock")
    )
    assert light_lock <= full_lock
    names = {line.partition("==")[0] for line in light_lock}
    assert names.isdisjoint({"torch", "torchvision", "lightning", "torchmetrics", "pandas", "matplotlib"})
    assert "onnxruntime" in names


def test_locks_name_no_registry() -> None:
    for lock in PROJECT.glob("requirements*.lock"):
        assert "://" not in lock.read_text(), lock.name
