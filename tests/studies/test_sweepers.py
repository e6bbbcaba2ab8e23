"""Invalid sweeps are refused in one line, before any job starts. The results of jobs are small."""

import re
from pathlib import Path

import pytest
from helpers import choices, compose_config, run_main
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from digits.cli.arguments import prepare_arguments
from digits.instantiation import build
from hydra_plugins.digits_sweepers import OptunaSweeper

SEARCH = "hydra/sweeper=optuna optimizer.lr=interval(0.1,0.2)"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("optimizer=adam,nadam", f"optimizer=nadam: .* {', '.join(choices('optimizer'))}"),
        ("optmizer=adam,sgd", "optmizer: .* did you mean optimizer"),
        ("seed=range(0,0)", "seed=range.0,0.: an empty sweep"),
        ("", "nothing to sweep"),
        ("seed=0,1 name=x", "name=… .* study=…"),
        ("seed=0,1 resume=x", "resume=… .* study=…"),
        ("seed=0,1 debug=true", "debug=… is for a single run"),
        ("seed=0,1 ++debug=true", "debug=… is for a single run"),
        ("seed=0,1 +resume=x", "resume=… .* study=…"),
        ("seed=0,1 find=lr", "find=… is for a single run"),
        ("seed=0,1 trainer=ddp", "trainer=ddp .*-m"),
        ("optimizer.lr=interval(0,1)", "optimizer.lr=interval.0,1.: .* hydra/sweeper=optuna"),
        ("seed=0,1 hydra.launcher.jobs=2", "hydra.launcher.jobs: "),
        ("seed=0,1 hydra/launcher=joblib +hydra.launcher.jobs_per_gpu=0", "jobs_per_gpu=0: "),
        ("seed=0,1 hydra/launcher=joblib hydra.launcher.jobs_per_gpu=2", r".hydra.launcher.jobs_per_gpu="),
        ("seed=0,1 hydra/launcher=jobli", "hydra/launcher=jobli: .* basic"),
        ("seed=0,1 hydra/sweeper=optuna", "nothing to search"),
        (f"{SEARCH} optimizer.lr=interval(1,0)", "optimizer.lr=interval.1,0.: "),
        (f"{SEARCH} data.val_size=0", "data.val_size=0"),
        (f"{SEARCH} hydra.sweeper.trials=0", "hydra.sweeper.trials=0: "),
        (f"{SEARCH} optimizer=sgd,nadam", "optimizer=nadam: "),
        (f"{SEARCH} hydra.sweeper.prune=3", "hydra.sweeper.prune=3: "),
        (f"{SEARCH} hydra.sweeper.prune=true trainer.max_epochs=1", "hydra.sweeper.prune=true .*max_epochs"),
        (f"{SEARCH} hydra.sweeper.prune=true trainer.max_epochs=5,10", "hydra.sweeper.prune=true .*max_epochs"),
        (f"{SEARCH} hydra.sweeper.prune=true data.val_size=0", "data.val_size=0"),
        ("seed=0,1 hydra.sweeper.prune=true", "hydra.sweeper.prune: "),
        ("seed=0,1 study=a,b", "study=a,b: "),
        ("seed=0,1 ++study=a,b", "study=a,b: "),
        ("seed=0,1 study=..", "study=..: "),
        ("seed=0,1 --cfg job", "-m, --cfg"),
    ],
)
def test_invalid_sweep_is_refused_before_any_job(tmp_path: Path, arguments: str, line: str) -> None:
    for word, package in (("optuna", "optuna"), ("=joblib", "hydra_plugins.hydra_joblib_launcher")):
        if word in arguments:
            pytest.importorskip(package)
    refused = run_main("train.py", "-m", *arguments.split(), folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(f"error: .*{line}.*\n", refused.stderr), refused.stderr
    assert not (tmp_path / "outputs").exists()


def test_texts_of_a_search_stay_as_typed() -> None:
    pytest.importorskip("optuna")
    parser = OverridesParser.create()
    [word] = prepare_arguments(["data.train_csv=choice(2026_11,b)"])
    override = parser.parse_override(word)
    space = OptunaSweeper(trials=1, at_once=1, seed=0, prune=False, params={})._parse_search(
        {"data.train_csv": override}
    )
    choices = space.distributions["data.train_csv"].choices
    assert [parser.parse_override(f"data.train_csv={text}").value() for text in choices] == ["2026_11", "b"]


def test_result_of_a_job_holds_no_configuration() -> None:
    config = compose_config(hydra=True)
    returned = JobReturn(status=JobStatus.COMPLETED, cfg=config, hydra_cfg=config)
    returned.return_value = 0.1
    for settings in OmegaConf.to_container(config.hydra.callbacks).values():
        build(settings, "hydra.callbacks").on_job_end(config=config, job_return=returned)
    assert (returned.cfg, returned.hydra_cfg, returned.return_value) == (None, None, 0.1)
