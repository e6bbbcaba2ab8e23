"""The runs that W&B, MLflow and TensorBoard have stored, read without a server."""

import os
import struct
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest


def isolate_loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the settings of the user for W&B and MLflow, and keeps both from the network."""
    for name in list(os.environ):
        if name.startswith(("WANDB_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


class LoggerRun(NamedTuple):
    """A run of a logger."""

    id: str
    name: str
    status: str
    """completed, failed, interrupted or pruned; killed or running for a run whose process was killed"""
    project: str
    values: list[float]
    """the validation errors"""


def wandb_runs(folder: Path) -> list[LoggerRun]:
    """The offline runs below a folder. A resumed run has several files with the same id. The file of a killed process
    may be empty: W&B writes blocks of 32 KiB."""
    parts = defaultdict(list)
    for path in sorted(folder.rglob("offline-run-*/*.wandb")):
        if "latest-run" not in path.parts:
            parts[path.stem.removeprefix("run-")].append(list(_wandb_records(path)))
    return [_wandb_run(run_id, records) for run_id, records in parts.items()]


def _wandb_run(run_id: str, parts: list[list[Any]]) -> LoggerRun:
    """Joins the parts of a run. The last part has the outcome."""
    name = project = ""
    values: list[float] = []
    for records in parts:
        exits, outcome = [], "killed"
        for record in records:
            kind = record.WhichOneof("record_type")
            if kind == "run":
                assert record.run.run_id == run_id
                name, project = record.run.display_name, record.run.project
            elif kind == "exit":
                exits.append(record.exit.exit_code)
            elif kind == "summary":
                summary = {item.key or item.nested_key[0]: item.value_json for item in record.summary.update}
                outcome = summary.get("outcome", f'"{outcome}"').strip('"')
            elif kind == "history":
                row = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
                values += [float(row["val/error"])] if "val/error" in row else []
    assert exits == {"completed": [0], "pruned": [0], "failed": [1], "interrupted": [255], "killed": []}[outcome]
    return LoggerRun(run_id, name, outcome, project, values)


def _wandb_records(path: Path) -> Iterator[Any]:
    """The records of W&B's file: parts with a header of 7 bytes, which do not cross blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, parts = path.read_bytes(), 7, b""
    while position + 7 <= len(content):
        block_left = 32768 - position % 32768
        if block_left < 7:
            position += block_left
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        if position + 7 + length > len(content):  # not yet written
            return
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or its last part
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def mlflow_runs(folder: Path, uri: str | None = None) -> list[LoggerRun]:
    """The runs in `outputs/mlflow.db` of a folder, or at another address."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri or f"sqlite:///{folder / 'outputs' / 'mlflow.db'}")
    experiments = {one.experiment_id: one.name for one in client.search_experiments()}
    runs = []
    for run in client.search_runs(list(experiments), order_by=["attributes.start_time"]):
        outcome = run.data.tags.get("outcome", "running")
        expected = {"completed": "FINISHED", "pruned": "FINISHED", "failed": "FAILED", "running": "RUNNING"}
        assert run.info.status == expected.get(outcome, "KILLED")
        history = client.get_metric_history(run.info.run_id, "val/error")
        values = [metric.value for metric in history]
        runs.append(LoggerRun(run.info.run_id, run.info.run_name, outcome, experiments[run.info.experiment_id], values))
    return runs


def tensorboard_runs(folder: Path) -> list[LoggerRun]:
    """The runs in the folders `tensorboard` below `outputs/` of a folder."""
    outputs = folder / "outputs"
    return [_tensorboard_run(path, outputs) for path in sorted(outputs.rglob("tensorboard"))]


def _tensorboard_run(path: Path, outputs: Path) -> LoggerRun:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(path)).Reload()
    assert "hp_metric" not in events.Tags()["scalars"]
    values = [scalar.value for scalar in events.Scalars("val/error")] if "val/error" in events.Tags()["scalars"] else []
    outcome = "killed"
    if "outcome/text_summary" in events.Tags()["tensors"]:
        [text] = events.Tensors("outcome/text_summary")
        outcome = text.tensor_proto.string_val[0].decode().partition(":")[0]
        ended_well = outcome in ("completed", "pruned")
        assert hparams(path).session_end_info.status == (1 if ended_well else 2)  # STATUS_SUCCESS, STATUS_FAILURE
    name = path.parent.relative_to(outputs).as_posix()
    return LoggerRun(name, name, outcome, "", values)


def hparams(path: Path) -> SimpleNamespace:
    """What TensorBoard's page HPARAMS reads: `experiment`, `session_start_info` and `session_end_info` of a run. A part
    that the run does not have is missing."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events, parts = EventAccumulator(str(path)).Reload(), SimpleNamespace()
    for name in ("experiment", "session_start_info", "session_end_info"):
        with suppress(KeyError):
            content = events.SummaryMetadata(f"_hparams_/{name}").plugin_data.content
            setattr(parts, name, getattr(HParamsPluginData.FromString(content), name))
    return parts


def ended_runs(logger: str, folder: Path) -> list[LoggerRun]:
    """The runs of a logger when all have ended. W&B writes its file a moment after its `finish` returns."""
    limit = time.monotonic() + 60
    while True:
        runs = RUNS[logger](folder)
        if runs and all(run.status not in ("killed", "running") for run in runs):
            return runs
        assert time.monotonic() < limit, runs
        time.sleep(0.2)


RUNS = {"wandb": wandb_runs, "mlflow": mlflow_runs, "tensorboard": tensorboard_runs}
