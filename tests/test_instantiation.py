"""`_target_` builds objects of the packages in `conf/targets.yaml`, and of no other."""

import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import SMALL, allow_targets, config, run_main
from torch import nn

from digits.errors import InputError
from digits.instantiation import BuildError, build, find_target
from digits.runs.job import TrainingJob
from digits.training.train import train

FOREIGN = {"_target_": "pathlib.Path.cwd"}


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module `own_package` that is in no list of packages."""
    (tmp_path / "own_package.py").write_text(
        textwrap.dedent("""
            import logging
            from fractions import Fraction
            from lightning.pytorch import Callback

            class Mark(Callback):
                def __init__(self, path):
                    open(path, "w").close()

            class Log(logging.Handler):
                def __init__(self, **settings):
                    super().__init__()
                    open("mark", "w").close()

            class Group:
                class Inner:
                    pass

            class _Hidden:
                pass

            Visible = _Hidden
            """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_another_optimizer_of_torch_is_built() -> None:
    factory = build({"_target_": "torch.optim.NAdam", "_partial_": True, "lr": 0.5}, "optimizer")
    optimizer = factory([nn.Parameter(torch.zeros(1))])
    assert type(optimizer) is torch.optim.NAdam
    assert optimizer.defaults["lr"] == 0.5


@pytest.mark.parametrize("settings", [[{"_target_": "torch.nn.ReLU"}], {"layer": 1}, 1, None])
def test_arguments_without_a_target_are_refused(settings: object) -> None:
    with pytest.raises(TypeError, match="target"):
        build(settings, "model", inplace=True)


def test_nested_targets_and_positional_arguments_are_built() -> None:
    layers = [{"_target_": "torch.nn.Flatten"}, {"_target_": "torch.nn.Linear", "_args_": [4, 2], "bias": False}]
    network = build({"_target_": "torch.nn.Sequential", "_args_": layers}, "augment")
    assert [type(layer) for layer in network] == [nn.Flatten, nn.Linear]
    assert network(torch.ones(3, 2, 2)).shape == (3, 2)


def test_finished_arguments_replace_settings_and_are_not_built() -> None:
    replaced = {"_target_": "torch.nn.Flatten", "start_dim": FOREIGN}
    assert build(replaced, "augment", start_dim=2).start_dim == 2


def test_values_without_a_target_are_kept() -> None:
    values = {"a": [1, None, {"b": "${c}"}]}
    assert build(values, "data") == values


def test_settings_of_a_target_can_stay_unbuilt() -> None:
    built = build({"_target_": "torch.optim.SGD", "_partial_": True, "_recursive_": False, "lr": FOREIGN}, "optimizer")
    assert isinstance(built, partial)
    assert built.keywords == {"lr": FOREIGN}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["+optimizer.fused=true"], "optimizer.fused: Muon has no such setting; it has lr, betas, eps, weight_decay"),
        (["schedule=cosine", "+schedule.gamma=1"], "schedule.gamma: cosine has no such setting; it has final_lr"),
    ],
)
def test_setting_that_a_target_does_not_take_is_refused(settings: list[str], message: str) -> None:
    train_config = config(*settings)
    group = settings[-1].lstrip("+").partition(".")[0]
    with pytest.raises(InputError, match=f"^{message}$"):
        build(train_config[group], group)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("pathlib.Path", "not in an allowed package; add its package to .*targets.yaml"),
        ("torch.optimum.X", "not in an allowed package"),  # a name that only begins like an allowed package
        ("torch.save", "not in an allowed package"),
        ("digits.files.write_json", "not in an allowed package"),
        ("lightning.pytorch.utilities.rank_zero.rank_zero_only", "not in an allowed package"),
        ("digits.data.sources.NamedTuple", "typing.NamedTuple is not in an allowed package; add .*targets.yaml"),
        ("digits.data.splits.InputError", "digits.errors.InputError is not in an allowed package"),
        ("digits.data.sources.torch", "neither a class nor a Python function"),
        ("digits.data.sources._read_labeled", "private; only public"),
        ("digits.data._sources.Source", "private; only public"),
        ("torch.optim.AdamW.step", "part of another class"),
        ("torch.optim.Nothing", "cannot be imported"),
        ("digits.data.nothing.Else", "cannot be imported"),
        (7, "must be the full name"),
        (None, "must be the full name"),
    ],
)
def test_other_targets_are_refused_in_one_line(target: object, reason: str) -> None:
    with pytest.raises(InputError, match=rf"^optimizer\._target_={target}: .*{reason}") as caught:
        build({"_target_": target}, "optimizer")
    assert "\n" not in str(caught.value)


def test_module_of_a_refused_target_is_not_imported(own_package: Path) -> None:
    (own_package / "loud.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(InputError, match="not in an allowed package"):
        find_target("loud.Class", "x")


def test_module_that_cannot_be_imported_is_one_line(own_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_package / "broken_package.py").write_text("undefined")
    allow_targets(own_package, monkeypatch, "broken_package")
    with pytest.raises(InputError, match=r"broken_package\.Class: cannot be imported \(name 'undefined' is"):
        find_target("broken_package.Class", "x")


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        (["+optimizer.x={_target_:pathlib.Path}"], "optimizer.x._target_=pathlib.Path"),
        (["optimizer._target_=pathlib.Path"], "optimizer._target_=pathlib.Path"),
        (
            ["trainer.callbacks=[{_target_:own_package.Mark,path:mark}]"],
            "trainer.callbacks.0._target_=own_package.Mark",
        ),
        (
            ["trainer.callbacks=[{_target_:lightning.pytorch.callbacks.Timer,duration:{_target_:pathlib.Path}}]"],
            "trainer.callbacks.0.duration._target_=pathlib.Path",
        ),
        (["+augment.x=[{y:{_target_:own_package.Mark,path:mark}}]"], "augment.x.0.y._target_=own_package.Mark"),
        (["+trainer.x={_target_:own_package.Mark,path:mark}"], "trainer.x._target_=own_package.Mark"),
        (["logger=tensorboard", "logger._target_=pathlib.Path"], "logger._target_=pathlib.Path"),
        (["schedule._target_=pathlib.Path"], "schedule._target_=pathlib.Path"),
        (["data.source._target_=pathlib.Path"], "data.source._target_=pathlib.Path"),
        (["find=lr", "+trainer.x={_target_:own_package.Mark,path:mark}"], "trainer.x._target_=own_package.Mark"),
        (["+hydra.callbacks.x={_target_:own_package.Mark,path:mark}"], "own_package.Mark"),
        (["+hydra.callbacks.x={_target_:lightning.pytorch.callbacks.Timer}"], "callbacks.Timer"),
        (["hydra.job_logging.handlers.file.class=own_package.Log"], "own_package.Log"),
    ],
)
def test_foreign_target_ends_a_training(own_package: Path, made_csv: Path, settings: list[str], place: str) -> None:
    words = [*SMALL, "data=csv", f"data.train_csv={made_csv}", "model=mlp", "name=run", *settings]
    refused = run_main("train.py", *words, folder=own_package)
    assert refused.returncode == 1
    assert place in refused.stderr
    assert refused.stderr.rstrip().endswith("targets.yaml")
    assert refused.stderr.count("\n") == 1, refused.stderr
    assert not list(own_package.rglob("mark"))


def test_sweepers_get_targets_as_values(own_package: Path, made_csv: Path) -> None:
    words = ["-m", *SMALL, "seed=0,1", "+hydra.sweeper.params.name={_target_:own_package.Mark,path:mark}"]
    run_main("train.py", *words, folder=own_package)
    assert not list(own_package.rglob("mark"))


def test_own_package_is_allowed_by_the_file(own_package: Path, made_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allow_targets(own_package, monkeypatch, "own_package")
    callback = f"trainer.callbacks=[{{_target_:own_package.Mark,path:{own_package / 'mark'}}}]"
    data = ["data=csv", f"data.train_csv={made_csv}", "model=mlp", "trainer.max_epochs=1"]
    train(TrainingJob(config(*SMALL, *data, callback), own_package / "run"))
    assert (own_package / "mark").exists()
    with pytest.raises(InputError, match=r"fractions.Fraction is not in an allowed package"):
        find_target("own_package.Fraction", "x")
    with pytest.raises(InputError, match="part of another class"):
        find_target("own_package.Group.Inner", "x")
    with pytest.raises(InputError, match=r"own_package\._Hidden is private"):
        find_target("own_package.Visible", "x")


@pytest.mark.parametrize("content", ["{a: b}", "- 1", "- os.*", "- ''", "", "- [a", "- a b"])
def test_invalid_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    path = tmp_path / "targets.yaml"
    path.write_text(content)
    monkeypatch.setattr("digits.instantiation.TARGETS_FILE", path)
    with pytest.raises(InputError, match="targets.yaml: "):
        find_target("torch.optim.SGD", "x")


def test_failure_of_a_target_names_its_setting_and_keeps_the_cause() -> None:
    failing: dict[str, Any] = {"_target_": "torch.nn.Linear", "in_features": "many", "out_features": 1}
    with pytest.raises(BuildError, match="^augment: Linear fails: ") as caught:
        build(failing, "augment")
    assert isinstance(caught.value.__cause__, TypeError)
