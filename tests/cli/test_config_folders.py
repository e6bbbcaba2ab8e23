"""The folder of `--config-dir` is searched before `conf/`, in compositions, lists, messages and `explain=`."""

from pathlib import Path

import pytest
from helpers import SMALL, read_metrics_json, run_main, run_program

from digits.cli.config_folders import hydra_options, take_folders
from digits.errors import InputError


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder that holds a folder of configurations: a choice in place of one of `conf/`, and an experiment."""
    for name, content in {
        "optimizer/adam": "# my rate\n_target_: torch.optim.Adam\n_partial_: true\nlr: 0.25\n",
        "experiment/mine": "# @package _global_\n# my recipe\ndefaults:\n  - override /optimizer: adam\n",
    }.items():
        path = tmp_path / "my conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    "option",
    [["--config-dir", "my conf"], ["--config-dir=my conf"], ["-cd", "my conf"]],
    ids=["two words", "one word", "short"],
)
def test_own_file_replaces_that_of_the_package(own: Path, option: list[str]) -> None:
    process = run_main("train.py", *option, "experiment=mine", "--cfg", "job", folder=own)
    assert (process.returncode, process.stderr) == (0, "")
    assert "lr: 0.25" in process.stdout
    assert "fused" not in process.stdout  # of conf/optimizer/adam.yaml


def test_folder_without_files_changes_no_setting(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    words = ["--cfg", "hydra", "--resolve", "-p", "hydra.job_logging"]
    for program in ("train.py", "predict.py"):
        plain, other = (run_main(program, *option, *words, folder=tmp_path) for option in ([], ["-cd", "empty"]))
        assert (plain.stdout, plain.returncode) == (other.stdout, other.returncode)
        words = ["--cfg", "job"]


def test_help_lists_own_choices(own: Path) -> None:
    lines = run_main("train.py", "--config-dir=my conf", "--help", folder=own).stdout.splitlines()
    listed = {tuple(line.split(maxsplit=1)) for line in lines}
    assert ("adam", "my rate") in listed
    assert ("mine", "my recipe") in listed
    assert any("torch.optim.SGD" in line for line in lines)


def test_explain_names_own_file(own: Path) -> None:
    process = run_main("train.py", "--config-dir=my conf", "experiment=mine", "explain=optimizer.lr", folder=own)
    assert process.stdout.split() == ["optimizer.lr", "=", "0.25", "my", "conf/optimizer/adam.yaml:4", "lr:", "0.25"]


@pytest.mark.parametrize(("words", "message"), [
    (["experiment=min"], "kaggle, keras_adadelta, mine, record"),
    (["experiment=mine", "optimizer.lrr=1"], "optimizer has lr (+"),
    (["+sed=1"], "sed: no such setting; did you mean seed? train has"),
    (["--config-dir=other"], "--config-dir other: no such folder"),
    (["--config-dir"], "--config-dir: no such folder"),
], ids=str)  # fmt: skip
def test_messages_know_own_files(own: Path, words: list[str], message: str) -> None:
    process = run_main("train.py", "--config-dir=my conf", *words, folder=own)
    assert (process.returncode, process.stdout) == (1, "")
    assert message in process.stderr
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize(("name", "text", "message"), [
    ("optimizer/adam", "lr: [1\n", 'optimizer/adam.yaml", line 2'),
    ("optimizer/adam", "- 1\n", "optimizer=[1]: must be one of the choices"),
    ("train", "seed: 3\n", "data=null: must be one of the choices"),
])  # fmt: skip
def test_invalid_own_file_is_one_line(own: Path, name: str, text: str, message: str) -> None:
    (own / "my conf" / f"{name}.yaml").write_text(text)
    words = ["optimizer=adam"] if name != "train" else []
    process = run_main("train.py", "--config-dir=my conf", *words, f"hydra.run.dir={own}/run", folder=own)
    assert (process.returncode, process.stdout) == (1, "")
    assert message in process.stderr
    assert process.stderr.count("\n") == 1


def test_options_of_hydra_give_the_same_folders(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning starts the other processes of a run with the words that Hydra got."""
    monkeypatch.chdir(own)
    folders, words = take_folders(["-m", "--config-dir", "my conf", "seed=1"], own)
    assert (folders, words) == ([own / "my conf", own], ["-m", "seed=1"])
    assert take_folders([*hydra_options(folders), *words], Path("other")) == (folders, words)
    with pytest.raises(InputError, match="-cp nowhere: no such folder"):
        take_folders(["-cp", "nowhere"], own)


def test_run_uses_own_files(own: Path, made_csv: Path) -> None:
    data = ["data=csv", f"data.train_csv={made_csv}", "data.val_size=20", "model=mlp"]
    process = run_main(
        "train.py", "--config-dir=my conf", *SMALL, *data, "experiment=mine", "augment=none", "name=run", folder=own
    )
    assert process.returncode == 0, process.stderr
    assert read_metrics_json(own / "outputs" / "run")["config"]["optimizer"]["lr"] == 0.25


@pytest.mark.slow
def test_workers_of_a_sweep_use_own_files(own: Path, made_csv: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    data = ["data=csv", f"data.train_csv={made_csv}", "data.val_size=20", "model=mlp"]
    sweep = ["-m", "seed=0,1", "study=s", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    process = run_program("train.py", "--config-dir=my conf", *SMALL, *data, "experiment=mine", *sweep, folder=own)
    assert process.returncode == 0, process.stderr
    rates = [read_metrics_json(path.parent)["config"]["optimizer"]["lr"] for path in own.rglob("metrics.json")]
    assert rates == [0.25, 0.25]
