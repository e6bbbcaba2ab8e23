"""The runs of the loggers: settings, outcomes, resumed and repeated runs, and errors as one line."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers import SMALL, config, interrupt, read_metrics_json, train_small
from logger_runs import ended_runs, hparams, isolate_loggers, mlflow_runs, tensorboard_runs

from digits.errors import InputError
from digits.runs.folder import RunFolder
from digits.runs.job import TrainingJob
from digits.runs.metrics_file import RunMetrics
from digits.settings import TrainSettings
from digits.training import mlflow_runs as mlflow_module
from digits.training.loggers import RunLoggers
from digits.training.mlflow_runs import MLflowServer, tracking_uri
from digits.training.train import train

CSV_LOGGER = "lightning.pytorch.loggers.CSVLogger"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder and the environment of a command: none of the settings of the user, and no network."""
    isolate_loggers(monkeypatch)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()


@pytest.fixture
def train_run(tmp_path: Path, made_csv: Path) -> Callable[..., Path]:
    """Trains a small run in `outputs/r`, and returns its folder."""

    def run(*overrides: str) -> Path:
        folder = tmp_path / "outputs" / "r"
        train_small(folder, made_csv, "name=r", *overrides)
        return folder

    return run


def events(folder: Path) -> list[Path]:
    return [path for path in folder.glob("tensorboard/events*") if path.suffix != ".outcome"]


@pytest.mark.parametrize("status", ["completed", "pruned", "interrupted", "failed"])
@pytest.mark.parametrize("logger", ["tensorboard", "wandb", "mlflow"])
def test_outcome_of_each_logger(tmp_path: Path, logger: str, status: str) -> None:
    pytest.importorskip(logger)
    run = RunFolder(tmp_path / "outputs" / "r")
    run.path.mkdir()
    settings = config("name=r", f"logger={logger}")
    loggers = RunLoggers(run, TrainingJob(settings, run.path, in_sweep=True))
    loggers.build(TrainSettings.from_config(settings), resume=None)
    loggers.start()
    loggers.finish(RunMetrics(status, reason="because" if status in ("failed", "pruned") else None))
    [stored] = ended_runs(logger, tmp_path)
    assert (stored.name, stored.status) == ("r", status)


# TensorBoard


def test_hparams_show_settings_errors_and_the_outcome(train_run: Callable[..., Path]) -> None:
    pytest.importorskip("tensorboard")
    page = hparams(train_run("logger=tensorboard", "optimizer.lr=0.003") / "tensorboard")
    assert page.session_start_info.hparams["optimizer.lr"].number_value == 0.003
    assert page.session_start_info.hparams["model.name"].string_value == "dropout_cnn"
    shown = {metric.name.tag for metric in page.experiment.metric_infos}
    assert shown == {"train/error", "val/error", "test/error"}
    assert page.session_end_info.status == 1  # success


def test_failed_run_is_a_failure_in_hparams(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    pytest.importorskip("tensorboard")
    with pytest.raises(InputError, match="diverged"):
        train_run("logger=tensorboard", "optimizer=sgd", "optimizer.lr=1e30", "schedule=constant")
    [run] = tensorboard_runs(tmp_path)
    assert run.status == "failed"


def test_repeated_run_replaces_the_events_of_a_failed_one(
    train_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, "on_train_epoch_start", 0, InputError("stopped"))
        with pytest.raises(InputError, match="stopped"):
            train_run("logger=tensorboard", "seed=1")
    folder = train_run("logger=tensorboard")
    assert len(events(folder)) == 1
    assert "seed: 0" in (folder / "tensorboard" / "hparams.yaml").read_text()


def test_second_debug_run_replaces_the_events(train_run: Callable[..., Path]) -> None:
    pytest.importorskip("tensorboard")
    train_run("logger=tensorboard", "debug=true")
    assert len(events(train_run("logger=tensorboard", "debug=true"))) == 1
    assert events(train_run("debug=true")) == []


def test_resumed_run_keeps_its_events_and_changes_its_outcome(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    pytest.importorskip("tensorboard")
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, "on_train_epoch_start", 1, KeyboardInterrupt())
        with pytest.raises(SystemExit):
            train_run("logger=tensorboard")
    [run] = tensorboard_runs(tmp_path)
    assert run.status == "interrupted"
    folder = train_run("logger=tensorboard", "resume=outputs/r/checkpoints/last.ckpt")
    assert len(events(folder)) == 2
    [run] = tensorboard_runs(tmp_path)
    assert (run.status, len(run.values)) == ("completed", 3)  # two epochs, and the evaluation


# All loggers


def test_callback_that_needs_a_logger_is_one_line(train_run: Callable[..., Path]) -> None:
    callback = "trainer.callbacks=[{_target_: lightning.pytorch.callbacks.LearningRateMonitor}]"
    with pytest.raises(InputError, match=r"LearningRateMonitor.*add logger=tensorboard"):
        train_run(callback)


def test_list_of_loggers(tmp_path: Path, made_csv: Path) -> None:
    settings = config(*SMALL, "data=csv", f"data.train_csv={made_csv}", "data.val_size=20", "model=mlp", "name=r")
    settings["logger"] = [{"_target_": CSV_LOGGER, "version": version} for version in ("one", "two")]
    folder = tmp_path / "outputs" / "r"
    folder.mkdir()
    train(TrainingJob(settings, folder))
    for version in ("one", "two"):
        assert (folder / "lightning_logs" / version / "metrics.csv").exists()


@pytest.mark.parametrize("logger", ["{name: x}", "[tensorboard]", "true", f"{{_target_: {CSV_LOGGER}, depth: 1}}"])
def test_invalid_logger_is_one_line(
    train_run: Callable[..., Path], made_csv: Path, tmp_path: Path, logger: str
) -> None:
    import yaml

    settings = config(*SMALL, "data=csv", f"data.train_csv={made_csv}", "data.val_size=20", "model=mlp", "name=r")
    settings["logger"] = yaml.safe_load(logger)
    with pytest.raises(InputError, match=r"^logger"):
        train(TrainingJob(settings, tmp_path / "outputs"))


def test_logger_ends_once_after_the_evaluation(train_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []

    def finalize(_: Any, status: str) -> None:
        ends.append((status, read_metrics_json(Path("outputs/r"))["status"]))

    monkeypatch.setattr(f"{CSV_LOGGER}.finalize", finalize)
    train_run(f"+logger._target_={CSV_LOGGER}")
    assert ends == [("success", "completed")]


def test_scores_of_the_final_weights_are_logged(train_run: Callable[..., Path], made_csv: Path) -> None:
    folder = train_run(f"+logger._target_={CSV_LOGGER}", f"data.test_csv={made_csv}")
    [path] = folder.rglob("metrics.csv")
    logged, metrics = pd.read_csv(path), read_metrics_json(folder)
    for stage in ("val", "test"):
        final = logged.dropna(subset=f"{stage}/error").iloc[-1]
        assert final[f"{stage}/error"] == metrics[stage]["error"]
        assert final[f"{stage}/loss"] == pytest.approx(metrics[stage]["loss"])
        assert (final["epoch"], final["step"]) == (2, 14)


def test_logger_that_fails_at_the_end_does_not_change_the_outcome(
    train_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def finalize(_: Any, status: str) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(f"{CSV_LOGGER}.finalize", finalize)
    assert read_metrics_json(train_run(f"+logger._target_={CSV_LOGGER}"))["status"] == "completed"
    assert "logger: the end of the run could not be recorded: no space left" in caplog.text


def test_job_that_fails_before_its_first_epoch_ends_its_run(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    pytest.importorskip("tensorboard")
    with pytest.raises(InputError, match=r"missing\.csv"):
        train_run("logger=tensorboard", "data.train_csv=missing.csv")
    [run] = tensorboard_runs(tmp_path)
    assert run.status == "failed"


# MLflow


def test_address_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    assert tracking_uri(None, Path()) == default
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert tracking_uri(None, Path()) == default
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert tracking_uri(None, Path()) == "http://server:5000"
    assert tracking_uri("sqlite:///x.db", Path()) == f"sqlite:///{tmp_path}/x.db"


def test_database_is_in_the_folder_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of a launcher may start elsewhere."""
    start_folder = tmp_path.resolve()
    (tmp_path / "worker").mkdir()
    monkeypatch.chdir(tmp_path / "worker")
    assert tracking_uri(None, start_folder) == f"sqlite:///{start_folder}/outputs/mlflow.db"
    for unchanged in (f"sqlite:///{start_folder}/x.db", "sqlite:///:memory:", "http://server:5000"):
        assert tracking_uri(unchanged, start_folder) == unchanged


def test_run_that_fails_before_its_first_epoch_is_failed_in_mlflow(
    tmp_path: Path, train_run: Callable[..., Path]
) -> None:
    pytest.importorskip("mlflow")
    with pytest.raises(InputError, match=r"missing\.csv"):
        train_run("logger=mlflow", "data.train_csv=missing.csv")
    train_run("logger=mlflow")
    first, second = mlflow_runs(tmp_path)
    assert (first.status, second.status) == ("failed", "completed")


def test_mlflow_uses_the_environment_of_the_user(
    tmp_path: Path, made_csv: Path, train_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path}/mine.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    folder = train_run("logger=mlflow", "trainer.max_epochs=1")
    [run] = mlflow_runs(tmp_path, uri)
    assert (run.project, run.status) == ("mine", "completed")
    assert str(tmp_path / "mine.db") not in (folder / "metrics.json").read_text()  # an address may hold a password
    other = f"logger.tracking_uri=sqlite:///{tmp_path}/other.db"
    train_small(tmp_path / "other", made_csv, "logger=mlflow", "trainer.max_epochs=1", other)
    assert os.environ["MLFLOW_TRACKING_URI"] == uri


def test_abandoned_run_of_mlflow_is_ended_by_the_next_attempt(
    tmp_path: Path, train_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the machine stopped."""
    pytest.importorskip("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunLoggers, "finish", lambda *_: None)
        interrupt(patch, "on_train_epoch_start", 0, InputError("stopped"))
        with pytest.raises(InputError, match="stopped"):
            train_run("logger=mlflow")
    train_run("logger=mlflow")
    first, second = mlflow_runs(tmp_path)
    assert (first.status, second.status) == ("killed", "completed")


def test_run_without_its_run_in_mlflow_gets_another_one(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    """As after the database was removed, or with another server."""
    pytest.importorskip("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, "on_train_epoch_start", 1, KeyboardInterrupt())
        with pytest.raises(SystemExit):
            train_run("logger=mlflow")
    resume = "resume=outputs/r/checkpoints/last.ckpt"
    train_run("logger=mlflow", resume, "logger.tracking_uri=sqlite:///outputs/other.db")
    [run] = mlflow_runs(tmp_path, f"sqlite:///{tmp_path}/outputs/other.db")
    assert run.status == "completed"


def test_mlflow_server_that_is_away_is_one_line(
    train_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9"
    )  # the port of a service that nobody runs
    monkeypatch.setitem(mlflow_module.REQUEST_LIMITS, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InputError, match=r"MLflow: .*refused.*MLFLOW_TRACKING_URI") as raised:
        train_run("logger=mlflow")
    assert "secret" not in str(raised.value)
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_deleted_experiment_of_mlflow_is_one_line(train_run: Callable[..., Path]) -> None:
    mlflow = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient(tracking_uri(None, Path()))
    client.delete_experiment(client.create_experiment("digits"))
    with pytest.raises(InputError, match=r"logger\.experiment_name=digits: .*deleted"):
        train_run("logger=mlflow")


def test_experiment_that_another_process_makes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both processes find no experiment; the second one cannot make it."""
    mlflow = pytest.importorskip("mlflow")
    server = MLflowServer({"experiment_name": "digits"}, Path())
    mlflow.MlflowClient(server.uri).create_experiment("digits")
    answers = [None]
    found = mlflow.MlflowClient.get_experiment_by_name
    monkeypatch.setattr(
        "mlflow.tracking.MlflowClient.get_experiment_by_name",
        lambda client, name: answers.pop() if answers else found(client, name),
    )
    server.prepare()
    assert answers == []


# W&B


def test_each_job_of_a_process_has_its_own_run_of_wandb(
    tmp_path: Path, train_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_RUN_ID", "one")  # of a single run
    with pytest.raises(InputError, match=r"missing\.csv"):
        train_run("logger=wandb", "data.train_csv=missing.csv")
    settings = config(*SMALL, "trainer.max_epochs=1", "model=mlp", "logger=wandb", "name=job")
    for number in range(2):
        (tmp_path / f"job{number}").mkdir()
        train(TrainingJob(settings, tmp_path / f"job{number}", in_sweep=True))
    runs = ended_runs("wandb", tmp_path)
    assert sorted(run.status for run in runs) == ["completed", "completed", "failed"]
    assert [run.id for run in runs if run.status == "failed"] == ["one"]


def test_wandb_uses_the_project_of_the_user(
    tmp_path: Path, train_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    train_run("logger=wandb", "debug=true")
    train_run("logger=wandb", "debug=true")
    [run] = ended_runs("wandb", tmp_path)
    assert run.project == "mine"


def test_active_run_of_wandb_is_left_alone(tmp_path: Path, train_run: Callable[..., Path]) -> None:
    """A notebook may have one."""
    wandb = pytest.importorskip("wandb")
    with wandb.init(dir=tmp_path, project="notebook") as mine:
        with pytest.raises(InputError, match=r"active run of W&B; call wandb\.finish"):
            train_run("logger=wandb")
        assert "optimizer" not in dict(mine.config)
