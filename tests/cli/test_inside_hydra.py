"""`digits.train` inside programs that use Hydra themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PROJECT, run_program

# Each program has a configuration, a resolver, a callback and a handler of the log of its own.
OWN_CONFIG = """
name: mine
model: ${pick:big}
hydra:
  job: {name: mine}
  callbacks: {own: {_target_: own.OwnCallback}}
  job_logging:
    version: 1
    handlers: {own: {class: own.OwnHandler}}
    root: {level: INFO, handlers: [own]}
"""
OWN_MODULE = """
import logging
from hydra.experimental.callback import Callback
from omegaconf import OmegaConf

class OwnHandler(logging.StreamHandler): pass

class OwnCallback(Callback):
    def on_job_start(self, config, **_): print("own callback")

OmegaConf.register_new_resolver("pick", lambda size: f"own {size} model")
"""
CHECK = """
import threading
import digits
import numpy as np
from digits.errors import InputError
from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

SETTINGS = {
    "data": "csv", "data.train_csv": CSV, "data.batch_size": 32, "model": "mlp", "augment": "none",
    "trainer": "cpu", "trainer.precision": "32-true", "trainer.max_epochs": 1,
}

def fails(**settings):
    try:
        digits.train(settings={**SETTINGS, **settings})
    except InputError as error:
        print(error)
    else:
        raise AssertionError("no error")

def call_digits():
    for name in ("first", "second"):
        run = digits.train(settings={**SETTINGS, "name": name})
        assert run.folder.name == name
    thread = threading.Thread(target=digits.train, kwargs={"settings": {**SETTINGS, "name": "third"}})
    thread.start()
    thread.join()
    fails(**{"optimizer.lrr": 1})
    fails(**{"data.train_csv": "missing.csv"})
    fails(**{"find": "lr"})
    fails(**{"experiment": "study/smoke"})
    from digits.cli.explain import explain
    from digits.cli.messages import Command
    from digits.instantiation import CONF
    assert explain("data.seed", Command([CONF], "train", ["seed=7"])).startswith("data.seed = 7")
    image = np.zeros((1, 28, 28), np.uint8)
    run.classifier.predict(image)
    digits.load_classifier("outputs/third").predict(image)
"""
MAIN = """
import hydra

@hydra.main(version_base=VERSION, config_path="own_conf", config_name="own")
def main(config):
    before = HydraConfig.get()
    base = hydra.version.getbase() if hasattr(hydra, "version") else None
    call_digits()
    assert HydraConfig.get() is before
    assert HydraConfig.get().job.name == "mine"
    assert (hydra.version.getbase() if hasattr(hydra, "version") else None) == base
    assert config.model == "own big model"
    assert OmegaConf.create({"x": "${hydra:job.name} ${pick:small}"}).x == "mine own small model"
    print("the end")

main()
"""
NOTEBOOK = """
import os
from hydra import initialize_config_dir

options = {"version_base": VERSION} if VERSION else {}
initialize_config_dir(os.path.abspath("own_conf"), job_name="mine", **options)
before = GlobalHydra.instance().hydra
call_digits()
assert GlobalHydra.instance().hydra is before
config = compose("own", return_hydra_config=True)
assert (config.model, config.hydra.job.name) == ("own big model", "mine")
print("the end")
"""


@pytest.fixture
def own_program(tmp_path: Path) -> Path:
    (tmp_path / "own_conf").mkdir()
    (tmp_path / "own_conf" / "own.yaml").write_text(OWN_CONFIG)
    (tmp_path / "own.py").write_text(OWN_MODULE)
    return tmp_path


def run_own(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(f"import own\n{program}")
    environment = os.environ | {"COLUMNS": "120"}
    command = [sys.executable, "program.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("program", [MAIN, NOTEBOOK])
def test_program_keeps_its_own_hydra(own_program: Path, made_csv: Path, program: str) -> None:
    from digits.cli.hydra_versions import HAS_WHITELIST

    version = None if HAS_WHITELIST else "1.2"
    process = run_own(own_program, f"CSV, VERSION = {str(made_csv)!r}, {version!r}\n{CHECK}{program}")
    assert process.returncode == 0, process.stderr[-3000:]
    lines = process.stdout.splitlines()
    assert lines[-1] == "the end"
    assert any("did you mean lr" in line for line in lines)
    assert any(line.startswith("missing.csv: no such file") for line in lines)
    assert any("find=lr trains no network" in line for line in lines)
    assert any("experiment=study/smoke is a sweep" in line for line in lines)
    assert ("own callback" in lines) == (program is MAIN)


def test_program_of_others_is_not_limited(own_program: Path) -> None:
    """Hydra imports the sweepers of this project in every program of the same Python environment."""
    plain = MAIN.replace("call_digits()", "")
    imports = CHECK.partition("SETTINGS")[0]
    process = run_own(own_program, f"VERSION = '1.3'\n{imports}{plain}")
    assert process.returncode == 0, process.stderr[-3000:]
    assert process.stdout.splitlines() == ["own callback", "the end"]
    refused = run_program("train.py", "+hydra.callbacks.own={_target_: own.OwnCallback}", folder=own_program)
    assert refused.returncode == 1
    assert "own.OwnCallback" in refused.stderr


def test_sweepers_change_no_resolver() -> None:
    program = (
        "from omegaconf import OmegaConf\n"
        "OmegaConf.register_new_resolver('pick', lambda: 'own')\n"
        "import hydra_plugins.digits_sweepers, digits.api\n"
        "print(OmegaConf.create({'x': '${pick:}'}).x)\n"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert process.stdout.strip() == "own", process.stderr
