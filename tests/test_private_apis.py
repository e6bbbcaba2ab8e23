"""The private parts of libraries that `digits.private_apis` uses. A failure names the library and the attribute."""

import argparse
import gc
import inspect
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import warnings
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from helpers import PROJECT, TinyModule, tiny_trainer
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.trainer.connectors.logger_connector import result
from lightning.pytorch.utilities.data import has_len_all_ranks
from logger_runs import hparams
from omegaconf import OmegaConf
from torch import nn
from torch.utils.data import DataLoader

from digits.cli.hydra_versions import HAS_WHITELIST, VERSION_BASE, register_resolver
from digits.errors import InputError
from digits.private_apis import COUPLINGS
from digits.private_apis.hydra import (
    ambiguous_override,
    compute_defaults,
    hydra_put_aside,
    is_changed_mode,
    refused_target,
    run_hydra_job,
    search_more_folders,
    without_help_check,
)
from digits.private_apis.launchers import (
    fork_workers_from_server,
    joblib_settings,
    slurm_outcome,
    slurm_parameters,
    use_slurm_jobs,
)
from digits.private_apis.lightning import (
    IRRELEVANT_WARNINGS,
    SRUN_WARNING,
    average_model,
    disable_slurm_requeue,
    ignore_unnamed_checkpoints,
    monitored_folders,
    take_started_processes,
)
from digits.private_apis.pytorch import batch_statistics, is_gloo_error, write_hparams, write_session_end
from digits.runs.safe_archive import open_archive
from digits.training.muon import Muon


@contextmanager
def coupling(attribute: str) -> Iterator[None]:
    """Names the library, its version and the attribute in the message of any failure inside the block."""
    [entry] = [entry for entry in COUPLINGS if entry.attribute == attribute]
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        try:
            installed = version(entry.library)
        except PackageNotFoundError:
            installed = sys.version.split()[0]
        changed = f"{entry.library} {installed}: {attribute} has changed (checked with {entry.checked})"
        raise AssertionError(
            f"{changed}; {entry.why}: see digits.private_apis. {type(error).__name__}: {error}"
        ) from error


def test_every_coupling_has_a_test() -> None:
    tested = re.findall(r' coupling\("(.+?)"\)', Path(__file__).read_text())
    assert sorted(set(tested)) == sorted(entry.attribute for entry in COUPLINGS)


def test_couplings_are_documented() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text()
    rows = [f"| {one.library} | `{one.attribute}` | {one.why} | {one.checked} |" for one in COUPLINGS]
    assert "\n".join(rows) in page


def test_a_changed_attribute_is_named() -> None:
    expected = re.escape(f"lightning {version('lightning')}: WeightAveraging._average_model has changed")
    with pytest.raises(AssertionError, match=expected), coupling("WeightAveraging._average_model"):
        average_model(SimpleNamespace())  # type: ignore[arg-type]


def test_importing_the_module_imports_no_heavy_library() -> None:
    """`--help` needs none."""
    heavy = ["torch", "lightning", "joblib", "submitit", "hydra"]
    program = f"import sys, digits.private_apis; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


# Hydra


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python 3.14 is the first that verifies help texts")
def test_help_check_can_be_omitted() -> None:
    with coupling("argparse.ArgumentParser._check_help"):
        parser = argparse.ArgumentParser()
        with without_help_check():
            parser.add_argument("--name", help=object())  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="help"):
            parser.add_argument("--other", help=object())  # type: ignore[arg-type]


@pytest.fixture
def loader() -> Iterator[ConfigLoader]:
    with initialize_config_dir(str(PROJECT / "conf"), **VERSION_BASE):
        yield GlobalHydra.instance().config_loader()


def test_ambiguous_override_is_recognized(loader: ConfigLoader) -> None:
    with coupling("the error Ambiguous value for argument"):
        with pytest.raises(ConfigCompositionException) as raised:
            loader.load_configuration("train", ["optimizer.lr=0.1,0.2"], RunMode.RUN)
        assert ambiguous_override(raised.value) == "optimizer.lr=0.1,0.2"


def test_other_errors_of_a_composition_are_not_ambiguous(loader: ConfigLoader) -> None:
    with pytest.raises(ConfigCompositionException) as raised:
        loader.load_configuration("train", ["optimizer.rl=0.1"], RunMode.RUN)
    assert ambiguous_override(raised.value) is None


needs_hydra_1_3 = pytest.mark.skipif(HAS_WHITELIST, reason="this Hydra limits its targets by itself")
needs_hydra_1_4 = pytest.mark.skipif(not HAS_WHITELIST, reason="this Hydra lets an experiment change its mode")


@needs_hydra_1_4
@pytest.mark.usefixtures("loader")
def test_changed_mode_is_recognized() -> None:
    with coupling("the error hydra.mode changed during config composition"):
        with pytest.raises(ConfigCompositionException) as raised:
            run_hydra_job("train", lambda config: None, ["experiment=study/smoke"])
        assert is_changed_mode(raised.value)


@needs_hydra_1_4
def test_target_that_hydra_refuses_is_recognized() -> None:
    with coupling("the error is not in the Hydra execution whitelist"):
        import hydra.utils

        whitelist: Any = hydra.utils.execution_whitelist  # type: ignore[attr-defined, unused-ignore]
        with whitelist(["torch.optim.*"], reset=True), pytest.raises(Exception, match="whitelist") as raised:
            hydra.utils.instantiate({"_target_": "fractions.Fraction"})
        assert refused_target(raised.value) == "fractions.Fraction"


@needs_hydra_1_3
def test_callbacks_of_hydra_are_limited() -> None:
    with coupling("hydra._internal.callbacks.Callbacks.__init__"):
        from hydra._internal.callbacks import Callbacks

        foreign = {"hydra": {"callbacks": {"x": {"_target_": "pathlib.Path"}}}}
        with pytest.raises(InputError, match=r"hydra\.callbacks\.x\._target_=pathlib\.Path"):
            Callbacks(OmegaConf.create(foreign))


@needs_hydra_1_3
def test_classes_of_hydras_log_are_limited() -> None:
    with coupling("hydra._internal.logging_config.HydraDictConfigurator.resolve"):
        from hydra._internal.logging_config import HydraDictConfigurator

        configurator = HydraDictConfigurator({"version": 1})
        assert configurator.resolve("logging.StreamHandler") is logging.StreamHandler
        with pytest.raises(InputError, match=r"pathlib\.Path"):
            configurator.resolve("pathlib.Path")


@needs_hydra_1_3
def test_settings_of_a_plugin_stay_values() -> None:
    with coupling("hydra.core.plugins.instantiate"):
        from hydra.core import plugins

        assert "instantiate" in plugins.Plugins._instantiate.__code__.co_names
        inner = {"_target_": "types.SimpleNamespace"}
        built = plugins.instantiate(OmegaConf.create({"_target_": "types.SimpleNamespace", "x": inner}))
        assert built.x == inner


def test_defaults_name_the_file_of_each_choice(loader: ConfigLoader) -> None:
    with coupling("hydra._internal.defaults_list.DefaultsList"):
        defaults = compute_defaults(loader, "train", ["experiment=fast", "optimizer=sgd", "seed=3"])
        assert (defaults.choices["optimizer"], defaults.choices["logger"]) == ("sgd", "csv")
        assert defaults.chosen_by["model"] == "experiment/fast"
        assert [str(override.input_line) for override in defaults.overrides] == ["seed=3"]
        files = list(defaults.packages)
        assert defaults.packages["optimizer/sgd"] == "optimizer"
        assert files.index("train") < files.index("optimizer/sgd") < files.index("experiment/fast")


def test_loader_of_hydra_searches_more_folders(loader: ConfigLoader, tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    for name in ("adam", "mine"):
        (tmp_path / "optimizer" / f"{name}.yaml").write_text("lr: 0.5")
    with coupling("hydra._internal.config_loader_impl.ConfigLoaderImpl"):
        both = search_more_folders(loader, [tmp_path])
        config = both.load_configuration("train", ["optimizer=mine"], RunMode.RUN)
        assert config.optimizer == {"lr": 0.5}
        assert both.load_configuration("train", ["optimizer=adam"], RunMode.RUN).optimizer.lr == 0.001
        assert [Path(one.path) for one in config.hydra.runtime.config_sources if one.schema == "file"][1:] == [tmp_path]


def test_job_of_hydra_returns_the_result_of_its_function(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text("seed: 0\nhydra: {run: {dir: '" + str(tmp_path / "run") + "'}}\n")
    try:
        with (
            coupling("GlobalHydra.hydra.run"),
            initialize_config_dir(str(tmp_path), **VERSION_BASE, job_name="small"),
        ):
            assert run_hydra_job("small", lambda config: config.seed + 1, ["seed=3"]) == 4
            assert OmegaConf.load(tmp_path / "run" / ".hydra" / "config.yaml").seed == 3
    finally:
        HydraConfig.instance().cfg = None


def test_hydra_can_be_put_aside(tmp_path: Path) -> None:
    with (
        coupling("Singleton._instances, BaseContainer._resolvers"),
        initialize_config_dir(str(tmp_path), **VERSION_BASE, job_name="outer"),
    ):
        outer = GlobalHydra.instance().hydra
        with hydra_put_aside():
            assert not GlobalHydra.instance().is_initialized()
            assert not HydraConfig.initialized()
            register_resolver("only_inside", lambda: 1)
            with initialize_config_dir(str(tmp_path), **VERSION_BASE, job_name="inner"):
                assert JobRuntime.instance().get("name") == "inner"
        assert GlobalHydra.instance().hydra is outer
        assert JobRuntime.instance().get("name") == "outer"
        assert not OmegaConf.has_resolver("only_inside")


# Launchers of sweeps


def launcher_config(folder: Path) -> Any:
    """Without a configuration of logging."""
    return OmegaConf.create(
        {"hydra": {"hydra_logging": {"root": None}, "verbose": False, "sweep": {"dir": str(folder)}}}
    )


def test_settings_of_the_joblib_launcher_can_be_removed(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher

    with coupling("JoblibLauncher.joblib"):
        launcher = JoblibLauncher(n_jobs=1, return_as="nothing")
        context: Any = object()
        launcher.setup(hydra_context=context, task_function=print, config=launcher_config(tmp_path))
        with pytest.raises(ValueError, match="nothing"):
            launcher.launch([], 0)
        assert joblib_settings(launcher).pop("return_as") == "nothing"
        assert launcher.launch([], 0) == []


def test_workers_are_forked_from_a_server() -> None:
    pytest.importorskip("joblib")
    with coupling("joblib.externals.loky.backend.context.set_start_method"):
        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.backend import context

        before = context.get_start_method()
        try:
            fork_workers_from_server()
            executor = get_reusable_executor(max_workers=1, reuse=False)
            assert type(executor._context).__name__ == "ForkServerContext"
            executor.shutdown()
        finally:
            context.set_start_method(before, force=True)


@pytest.fixture
def made_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs in place of Slurm's. Returns the folder of the jobs."""
    pytest.importorskip("submitit")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, output in (("srun", ""), ("sbatch", "Submitted batch job 7")):
        (programs / name).write_text(f"#!/bin/sh\necho {output}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path / "jobs"


def use_marked_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes submitit use a class whose results are at once there."""
    from submitit.slurm import slurm

    class MarkedJob(slurm.SlurmJob[Any]):
        def results(self) -> list[Any]:
            return [f"job {self.job_id}"]

    monkeypatch.setattr(slurm.SlurmExecutor, "job_class", slurm.SlurmExecutor.job_class)
    monkeypatch.setattr(slurm, "SlurmJob", slurm.SlurmJob)
    use_slurm_jobs(MarkedJob)


def test_class_of_slurm_jobs_can_be_chosen(made_slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import submitit

    with coupling("SlurmExecutor.job_class, slurm.SlurmJob"):
        use_marked_jobs(monkeypatch)
        executor = submitit.AutoExecutor(made_slurm, cluster="slurm")
        assert [job.results() for job in executor.map_array(print, [1])] == [["job 7"]]
        assert [job.results() for job in executor.map_array(print, [1, 2])] == [["job 7_0"], ["job 7_1"]]


def test_parameters_of_the_slurm_launcher_can_be_changed(made_slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher

    with coupling("SlurmLauncher.params"):
        use_marked_jobs(monkeypatch)
        launcher = SlurmLauncher(submitit_folder=str(made_slurm), timeout_min=2, signal_delay_s=120)
        launcher.setup(hydra_context=None, task_function=print, config=launcher_config(made_slurm))
        slurm_parameters(launcher)["signal_delay_s"] = 30
        assert launcher.launch([["seed=0"]], 0) == ["job 7"]
        script, *_ = made_slurm.glob("*.sh")
        assert re.search(r"#SBATCH --signal=\w+@30$", script.read_text(), re.MULTILINE)


@pytest.mark.parametrize("outcome", [("success", 3), ("error", "Traceback:\nKeyError: 'x'\n")])
def test_outcome_of_a_slurm_job_is_read(tmp_path: Path, outcome: tuple[str, Any]) -> None:
    pytest.importorskip("submitit")
    from submitit.slurm.slurm import SlurmJob

    with coupling("Job._get_outcome_and_result"):
        job: SlurmJob[Any] = SlurmJob(tmp_path / "%j", "7")
        job.paths.folder.mkdir()
        job.paths.result_pickle.write_bytes(pickle.dumps(outcome))
        assert slurm_outcome(job) == outcome


# Lightning


def test_averaged_module_replaces_the_weights_at_the_end() -> None:
    with coupling("WeightAveraging._average_model"):
        callback, module = WeightAveraging(), TinyModule()
        trainer: Any = None
        callback.setup(trainer, module, "fit")
        average = average_model(callback)
        assert int(average.n_averaged) == 0
        average.module.layer.weight.data.fill_(7.0)
        callback.on_train_end(trainer, module)
        assert module.layer.weight.item() == 7.0


@pytest.fixture
def _slurm_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOB_ID", "NTASKS", "PROCID", "LOCALID", "NODEID"):
        monkeypatch.setenv(f"SLURM_{name}", "0")


@pytest.mark.usefixtures("_slurm_job")
def test_leftover_of_slurm_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "hpc_ckpt_1.ckpt").touch()
    loader: Any = DataLoader([torch.ones(1)])
    with coupling("Trainer._checkpoint_connector"):
        trainer = tiny_trainer(default_root_dir=tmp_path)
        with pytest.raises((EOFError, RuntimeError)):  # an empty file, which Lightning reads
            trainer.validate(TinyModule(), loader, verbose=False)
        trainer = tiny_trainer(default_root_dir=tmp_path)
        ignore_unnamed_checkpoints(trainer)
        trainer.validate(TinyModule(), loader, verbose=False)
        with pytest.raises((EOFError, RuntimeError)):
            trainer.validate(TinyModule(), loader, ckpt_path=tmp_path / "hpc_ckpt_1.ckpt", verbose=False)


@pytest.mark.usefixtures("_slurm_job")
def test_warning_of_slurm_has_no_handler_of_lightning() -> None:
    seen = []

    class RecordHandler(Callback):
        def on_train_start(self, *_: object) -> None:
            seen.append(signal.getsignal(signal.SIGUSR1))

    loader: Any = DataLoader([torch.ones(1)])
    with coupling("Trainer._accelerator_connector"):
        for change in (lambda _: None, disable_slurm_requeue):
            trainer = tiny_trainer(callbacks=[RecordHandler()])
            change(trainer)
            trainer.fit(TinyModule(), loader)
        handled, unhandled = seen
        assert callable(handled)
        assert unhandled == signal.SIG_DFL


def test_started_processes_are_taken_from_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    class QuickProcess(subprocess.Popen[bytes]):
        """Does nothing, in place of the program."""

        def __init__(self, command: object, **_: object) -> None:
            super().__init__([sys.executable, "-S", "-c", ""])

    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, "")  # and restored after the test
        monkeypatch.delenv(name)
    monkeypatch.setattr(subprocess, "Popen", QuickProcess)
    with coupling("strategy.launcher.procs"):
        launcher: Any = tiny_trainer(devices=3, strategy="ddp").strategy.launcher
        launcher.launch(lambda: None)
        processes = take_started_processes(launcher)
        assert [type(process) for process in processes] == [QuickProcess, QuickProcess]
        assert take_started_processes(launcher) == []
        assert [process.wait() for process in processes] == [0, 0]


def test_folder_of_the_best_checkpoint_is_part_of_a_checkpoint(tmp_path: Path) -> None:
    with coupling("ModelCheckpoint.state_dict"):
        callbacks = [ModelCheckpoint(tmp_path / "best", monitor="val/error"), ModelCheckpoint(tmp_path / "last")]
        states = {callback.state_key: callback.state_dict() for callback in callbacks}
        assert list(monitored_folders(states, "val/error")) == [str(tmp_path / "best")]


def warn_of_an_empty_loader(folder: Path) -> None:
    loader: Any = []
    has_len_all_ranks(loader, tiny_trainer().strategy)


def warn_of_a_short_training(folder: Path) -> None:
    """On a machine with eight cores: with fewer, Lightning recommends no workers."""
    trainer = tiny_trainer(logger=True, log_every_n_steps=50, default_root_dir=folder)
    loader: Any = DataLoader([torch.ones(1)])
    trainer.fit(TinyModule(), loader)


def warn_of_a_full_folder(folder: Path) -> None:
    (folder / "last.ckpt").touch()
    ModelCheckpoint(folder).setup(tiny_trainer(), TinyModule(), "fit")


def warn_of_another_folder(folder: Path) -> None:
    state = ModelCheckpoint(folder / "a").state_dict()
    ModelCheckpoint(folder / "b").load_state_dict(state)


def warn_of_srun(folder: Path) -> None:
    (folder / "srun").touch(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    try:
        SLURMEnvironment.detect()
    finally:
        os.environ["PATH"] = before


def warn_of_unsynchronized_scores(folder: Path) -> None:
    """Lightning warns in several processes only, so its source is read."""
    warnings.warn("sync_dist=True" if "sync_dist=True" in inspect.getsource(result) else "", stacklevel=1)


def warn_of_a_frozen_layer(folder: Path) -> None:
    module = TinyModule()
    module.layer.eval()
    tiny_trainer(default_root_dir=folder).fit(module, DataLoader([torch.ones(1)]))


CAUSES: dict[str, Callable[[Path], None]] = {
    ".*LeafSpec": warn_of_a_short_training,
    "Total length of `list` across ranks is zero": warn_of_an_empty_loader,
    ".*does not have many workers": warn_of_a_short_training,
    ".*sync_dist=True": warn_of_unsynchronized_scores,
    ".*smaller than the logging interval": warn_of_a_short_training,
    ".*exists and is not empty": warn_of_a_full_folder,
    ".*dirpath has changed": warn_of_another_folder,
    ".*in eval mode at the start of training": warn_of_a_frozen_layer,
    SRUN_WARNING: warn_of_srun,
}


@pytest.mark.parametrize("message", IRRELEVANT_WARNINGS)
def test_irrelevant_warning_is_recognized(message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    with coupling("texts of warnings"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            CAUSES[message](tmp_path)
        assert any(re.match(message, str(warning.message), re.IGNORECASE) for warning in caught), message


# PyTorch


@pytest.mark.parametrize("shape", [(7, 3), (7, 3, 5, 5)])
def test_statistics_of_a_batch_are_those_of_batch_normalization(shape: tuple[int, ...]) -> None:
    with coupling("torch.batch_norm_update_stats"):
        features = torch.randn(shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
        mean, var = batch_statistics(features)
        layer = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3, momentum=1.0)
        layer(features)
        count = features.numel() / 3
        assert torch.equal(mean, layer.running_mean)  # type: ignore[arg-type]
        assert torch.allclose(var * count / (count - 1), layer.running_var)  # type: ignore[arg-type]
        assert not mean.requires_grad


def test_step_of_muon_with_an_infinite_gradient_is_skipped() -> None:
    with coupling("Optimizer._step_supports_amp_scaling"):
        weight = nn.Parameter(torch.ones(2, 1, 3, 3))
        scaler = torch.amp.GradScaler("cpu")
        optimizer = Muon([weight], lr=0.01)
        weight.grad = torch.full_like(weight, torch.inf)
        scaler.scale(torch.zeros(()))
        scaler.step(optimizer)
        assert torch.equal(weight, torch.ones_like(weight))


def test_muon_gets_gradients_without_their_scale() -> None:
    with coupling("Optimizer._step_supports_amp_scaling"):
        weight = nn.Parameter(torch.ones(2, 1, 3, 3))
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        optimizer = Muon([weight], lr=0.01)
        seen = []
        optimizer.register_step_pre_hook(lambda *_: seen.append(weight.grad))
        weight.grad = torch.full_like(weight, 3 * 1024.0)
        scaler.scale(torch.zeros(()))
        scaler.step(optimizer)
        assert torch.equal(seen[0], torch.full_like(weight, 3.0))


def test_lost_connection_of_gloo_is_recognized() -> None:
    """Two processes, in two threads. One of them ends."""
    store, groups = dist.HashStore(), {}

    def join(rank: int) -> None:
        groups[rank] = dist.ProcessGroupGloo(store, rank, 2, timedelta(seconds=10))

    threads = [threading.Thread(target=join, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with coupling("the error text gloo"):
        groups.pop(1).shutdown()
        gc.collect()
        with pytest.raises(RuntimeError) as raised:
            groups[0].allreduce([torch.ones(1)]).wait()
        assert is_gloo_error(raised.value)
        assert not is_gloo_error(RuntimeError("another error"))


def test_content_of_a_checkpoint_has_known_names(tmp_path: Path) -> None:
    with coupling("names in a file of torch.save"):
        dtypes = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
        content = {
            "tensors": {str(dtype): torch.zeros(2, dtype=dtype) for dtype in dtypes},
            "parameter": nn.Parameter(torch.zeros(2)),
            "weights": nn.Linear(2, 2).state_dict(),
            "collections": [OrderedDict(a=1), Counter("ab"), defaultdict(None, a=1), (1, 2.0, None, True, "text")],
            "torch": [torch.Size([2]), torch.device("cpu"), torch.float32],
        }
        torch.save(content, tmp_path / "x.ckpt")
        open_archive(tmp_path / "x.ckpt")


def test_outcome_of_a_run_is_a_part_of_hparams(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with coupling("SummaryWriter.file_writer, hparams"):
        with SummaryWriter(str(tmp_path)) as writer:
            write_hparams(writer, {"lr": 0.5, "model": "mlp", "ema": None}, ["val/error"])
        write_session_end(str(tmp_path), ".outcome", "failed", "diverged")
        page = hparams(tmp_path)
        settings = page.session_start_info.hparams
        assert settings["lr"].number_value == 0.5
        assert (settings["model"].string_value, settings["ema"].string_value) == ("mlp", "None")
        assert [metric.name.tag for metric in page.experiment.metric_infos] == ["val/error"]
        assert page.session_end_info.status == 2  # failure


# Results of jobs


def test_error_of_a_job_is_public() -> None:
    """`studies.runner` and `studies.slurm` use the property of Hydra's result in both directions."""
    failed = JobReturn(status=JobStatus.FAILED)
    failed.return_value = RuntimeError("reason")
    with pytest.raises(RuntimeError, match="reason"):
        failed.return_value  # noqa: B018
