"""An error on the command line is one line on stderr, exit status 1, and no folder."""

from pathlib import Path

import pytest
from helpers import run_main


@pytest.mark.parametrize(("argument", "message"), [
    ("optimizer=adm", "optimizer=adm: no such choice; choose one of adadelta, adam, "),
    ("optimizer=null", "optimizer=null: no such choice"),
    ("experiment=kagle", "experiment=kagle: no such choice; choose one of adadelta, adadelta_slow, "),
    ("experiment=[compact,study/fold]", "experiment/study=fold: no such choice; choose one of adadelta, "),
    ("optimzer=adam", "optimzer: no such setting; did you mean optimizer? train has augment, data, "),
    ("trainer.max_epoch=3", "trainer.max_epoch: no such setting; did you mean max_epochs? trainer has accelerator, "),
    ("optimizer.momentum=1", "optimizer.momentum: no such setting; optimizer has lr, weight_decay (+opt"),
    ("data.root=x", "data.root: no such setting; data has batch_size, fold, folds, "),
    ("seed.foo=1", "seed.foo: no such setting; seed is a single value, 0"),
    ("resume=nowhere.ckpt", "resume=nowhere.ckpt: no such file"),
    ("hydra.run.dir=/dev/null/run", "[Errno 20] Not a directory: '/dev/null/run'"),
    ("nothing", "nothing: not of the form SETTING=VALUE"),
    ("optimizer.lr=1e-3)", "optimizer.lr=1e-3): not of the form SETTING=VALUE"),
    ("name=[a(1),b]", "name=[a(1),b]: not of the form SETTING=VALUE; quotes and brackets"),
    ("name=../first", "name=../first: must be the name of a folder in outputs/"),
    ("name=a,b", "name=a,b: several values; write 'name=[a,b]' for a list"),
    ("name=a${b}", "Interpolation key 'b' not found; ${…} refers to a setting"),
    ("--foo", "unrecognized arguments: --foo;"),
])  # fmt: skip
def test_error_on_the_command_line(tmp_path: Path, argument: str, message: str) -> None:
    process = run_main("train.py", argument, folder=tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(f"error: {message}")
    assert process.stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    (["+epochs=3"], "epochs: no such setting; train has augment, data, "),
    (["-m", "optimizer=adam,null"], "optimizer=adam,null: no such choice"),
    (["-m", "seed=0,1", "+sed=3"], "sed: no such setting; did you mean seed? "),
], ids=str)  # fmt: skip
def test_error_in_the_composed_configuration(tmp_path: Path, arguments: list[str], message: str) -> None:
    process = run_main("train.py", *arguments, folder=tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(f"error: {message}")
    assert process.stderr.count("\n") == 1
