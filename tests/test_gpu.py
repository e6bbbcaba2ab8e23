"""Training, evaluation and prediction on a GPU, without a GPU: on PyTorch's fake CUDA tensors, which have a shape, a
dtype and a device, but no values. Operations on tensors of two devices fail, and each wait for the GPU is recorded."""

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from helpers import choices, config, slow
from lightning.pytorch import Callback
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from digits.data.sources import Digits, Source
from digits.evaluation.evaluate import evaluate
from digits.models.fusion import fuse_batch_norm
from digits.models.networks import NETWORKS, build_network
from digits.prediction.checkpoint_member import CheckpointMember
from digits.runs.job import TrainingJob
from digits.runs.recorded_run import RecordedRun
from digits.settings import TrainSettings
from digits.training.final_evaluation import evaluated_split
from digits.training.fit import Training
from digits.training.trainer import silence_lightning

GPU = torch.device("cuda:0")
PRECISIONS = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16, "32-true": torch.float32}

KNOWN_WAITS = (
    # Float16: GradScaler reads whether a gradient is infinite, and then skips the step. Fused optimizers need no read.
    "item in torch/amp/grad_scaler.py",
)

GROUPS = {
    "model": list(NETWORKS),
    "optimizer": choices("optimizer"),
    "schedule": choices("schedule"),
    "augment": choices("augment"),
    "ema": ["null", "0.9"],
    "teacher": ["null", "fast_cnn"],
}
LONGEST = max(map(len, GROUPS.values()))


def recipes(shift: int) -> list[list[str]]:
    """Overrides in which each choice of each group occurs, in other combinations for another `shift`."""
    columns = [
        [f"{group}={names[(row + shift * column) % len(names)]}" for row in range(LONGEST)]
        for column, (group, names) in enumerate(GROUPS.items())
    ]
    return [list(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    ("precision", "recipe"),
    [
        *(("bf16-mixed", recipe) for recipe in recipes(0)),
        *(slow("16-mixed", recipe) for recipe in recipes(1)),
        *(slow("32-true", recipe) for recipe in recipes(2)),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_no_step_of_a_run_waits_for_the_gpu(tmp_path: Path, precision: str, recipe: list[str], trained: Path) -> None:
    recipe = [setting.replace("teacher=fast_cnn", f"teacher={trained}") for setting in recipe]
    with fake_gpu() as gpu:
        training = make_training([f"trainer.precision={precision}", *recipe], tmp_path)
        training.trainer.callbacks.append(MarkBatches(gpu))
        with gpu.tensors():
            training.fit()
    assert [wait for wait in gpu.waits["train", 1] if not wait.startswith(KNOWN_WAITS)] == []
    assert gpu.waits["val", 1] == []
    assert gpu.waits.keys() >= {(stage, batch) for stage in ("train", "val") for batch in range(3)}
    assert PRECISIONS[precision] in gpu.dtypes


@pytest.mark.parametrize("precision", PRECISIONS)
def test_batch_normalization_is_recomputed_on_the_gpu(tmp_path: Path, precision: str) -> None:
    with fake_gpu() as gpu:
        training = make_training([f"trainer.precision={precision}", "model=compact_cnn"], tmp_path)
        with gpu.tensors():
            training.module.recompute_batch_norm(torch.zeros(512, 28, 28).byte().to(GPU))
            assert {buffer.device.type for buffer in training.module.network.buffers()} == {"cuda"}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_evaluation_copies_all_results_at_once(tmp_path: Path, precision: str) -> None:
    with fake_gpu() as gpu:
        training = make_training([f"trainer.precision={precision}"], tmp_path)
        batches = 0

        def predict_logits(images: Tensor) -> Tensor:
            nonlocal batches
            gpu.phase = "test", batches
            batches += 1
            return training.module(images)

        with gpu.tensors():
            training.datamodule.prepare_data()
            training.datamodule.trainer = training.trainer
            training.datamodule.setup("fit")
            training.module.to(GPU).eval()
            split = evaluated_split(training, "test")
            with training.trainer.precision_plugin.val_step_context():
                evaluation = evaluate(predict_logits, split, training.datamodule.eval_batch_size)
    assert batches == 3
    assert gpu.waits["test", 1] == []
    assert gpu.waits["test", 2]
    assert {part.device.type for part in (*evaluation.split, evaluation.logits)} == {"cpu"}


@pytest.mark.parametrize("precision", ["bf16-mixed", slow("16-mixed"), slow("32-true")])
def test_prediction_copies_all_images_at_once(precision: str) -> None:
    networks = [fuse_batch_norm(build_network(name).eval()) for name in NETWORKS]
    with fake_gpu() as gpu, gpu.tensors():
        members = [CheckpointMember("made", network, 1.5, GPU, precision) for network in networks]
        for batches in (2, 4):
            gpu.phase = "predict", batches
            for member in members:
                probabilities = member._predict(torch.zeros(4 * batches, 28, 28).byte(), batch_size=4)
                assert probabilities.cpu().shape == (4 * batches, 10)
    assert gpu.waits["predict", 2] == gpu.waits["predict", 4] != []
    assert PRECISIONS[precision] in gpu.dtypes


@pytest.mark.parametrize(
    ("step", "wait"),
    [
        (lambda on_gpu, on_cpu: on_gpu.sum().item(), "item"),
        (lambda on_gpu, on_cpu: bool(on_gpu.sum() > 0), "item"),
        (lambda on_gpu, on_cpu: on_gpu.cpu(), "_to_copy"),
        (lambda on_gpu, on_cpu: on_cpu.to(GPU), "_to_copy"),
        (lambda on_gpu, on_cpu: torch.tensor([1.0], device=GPU), "_to_copy"),
        (lambda on_gpu, on_cpu: on_gpu.copy_(on_cpu), "copy_"),
        (lambda on_gpu, on_cpu: on_gpu[on_cpu.long()], "index"),
        (lambda on_gpu, on_cpu: torch.cuda.synchronize(), "synchronize"),
    ],
)
def test_waits_are_recorded(step: Callable[[Tensor, Tensor], Any], wait: str) -> None:
    with fake_gpu() as gpu, gpu.tensors():
        gpu.phase = "train", 0
        step(torch.zeros(3, device=GPU), torch.zeros(3))
    assert [name.split()[0] for name in gpu.waits["train", 0]] == [wait]


@pytest.mark.parametrize("step", [lambda on_gpu, on_cpu: on_gpu + on_cpu, lambda on_gpu, on_cpu: on_gpu.nonzero()])
def test_mixed_devices_and_shapes_that_depend_on_values_fail(step: Callable[[Tensor, Tensor], Any]) -> None:
    with fake_gpu() as gpu, gpu.tensors(), pytest.raises(RuntimeError):
        step(torch.zeros(3, device=GPU), torch.zeros(3))


def test_backward_equals_autograd() -> None:
    """The tests use their own engine, because PyTorch's engine calls the driver for the streams of the GPU."""
    for name in NETWORKS:
        network, gradients = build_network(name), []
        for backward in (Tensor.backward, backward_without_engine):
            torch.manual_seed(0)
            network.zero_grad()
            backward(network(torch.rand(2, 1, 28, 28)).square().mean())
            gradients.append([parameter.grad for parameter in network.parameters()])
        assert all(map(torch.equal, *gradients)), name


class GpuRecorder(TorchDispatchMode):
    """Records in `waits[phase]` each operation that waits for the GPU, and in `dtypes` those of the products on it."""

    def __init__(self) -> None:
        super().__init__()
        self.phase: tuple[str, int] = "start", 0
        self.waits: dict[tuple[str, int], list[str]] = defaultdict(list)
        self.dtypes: set[torch.dtype] = set()

    @contextmanager
    def tensors(self) -> Iterator[None]:
        """All new tensors are fake, and existing ones become fake when they are used."""
        with FakeTensorMode(allow_non_fake_inputs=True), self:
            yield

    def record(self, operation: str) -> None:
        own = ("record", "__torch_dispatch__", "<lambda>")
        stack = traceback.extract_stack()
        frames = [frame for frame in stack if "/torch/_" not in frame.filename and frame.name not in own]
        file = "/".join(Path(frames[-1].filename).parts[-3:])
        self.waits[self.phase].append(f"{operation} in {file}:{frames[-1].lineno}")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            if args[0].is_cuda:
                self.record("item")
            return 0 if args[0].is_floating_point() else 1  # the value is unknown: no gradient is infinite, one digit
        if func is not torch.ops.prim.device.default:  # not an operation
            with self:  # autograd decomposes operations; in inference mode they arrive here undecomposed
                result = func.decompose(*args, **(kwargs or {}))
            if result is not NotImplemented:
                return result
        name = func.overloadpacket.__name__
        # PyTorch has no fake implementation of this optimizer, which changes its tensors in place.
        result = None if name == "_fused_sgd_" else func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        # Kernels take a single number of the CPU as an argument. All else is copied from pageable memory, which waits.
        copied = [tensor for tensor in tensors if not tensor.is_cuda and (tensor.dim() or "copy" in name)]
        if copied and any(tensor.is_cuda for tensor in tensors):
            self.record(name)
        if name in ("convolution", "addmm"):
            self.dtypes.add(result.dtype)
        return result


class MarkBatches(Callback):
    """A phase lasts from the start of a batch to the start of the next one, with all that Lightning does in between."""

    def __init__(self, gpu: GpuRecorder) -> None:
        self.gpu = gpu

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.mark("train", batch_idx)

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, *_: int) -> None:
        self.mark("val", batch_idx)

    def mark(self, stage: str, batch: int) -> None:
        self.gpu.phase = stage, batch
        self.gpu.waits[self.gpu.phase] = []


@contextmanager
def fake_gpu() -> Iterator[GpuRecorder]:
    """Patches PyTorch as if this machine had a GPU that multiplies bfloat16."""
    gpu = GpuRecorder()
    driver = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "is_bf16_supported": lambda including_emulation=True: True,
        "get_device_capability": lambda device=None: (9, 0),
        "get_device_name": lambda device=None: "GPU",
        "set_device": lambda device: None,
        "synchronize": lambda device=None: gpu.record("synchronize"),
    }
    with (
        mock.patch.multiple(torch.cuda, **driver),
        mock.patch.object(FakeTensorMode, "avoid_device_init", True),
        # These reject fake tensors: the fast paths of optimizers, the engine of autograd, and moves to another device.
        mock.patch("torch.optim.optimizer._foreach_supported_types", [Tensor, nn.Parameter, FakeTensor]),
        mock.patch.object(Tensor, "backward", backward_without_engine),
        mock.patch.object(Tensor, "__deepcopy__", lambda tensor, memo: tensor.detach().clone()),
        mock.patch.object(nn.Module, "_apply", apply_to_tensors),
        mock.patch("digits.training.checkpoint_io.write_checkpoint"),
    ):
        yield gpu


@torch.no_grad()
def backward_without_engine(loss: Tensor, *_: Any, **__: Any) -> None:
    """`loss.backward()`: calls the nodes of the graph, the last one first."""
    pending: dict[Any, list[Tensor | None]] = {loss.grad_fn: [torch.ones_like(loss)]}
    while pending:
        node = max(pending, key=lambda node: node._sequence_nr())
        gradients = node(*pending.pop(node))
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        for (target, index), gradient in zip(node.next_functions, gradients, strict=False):
            if target is not None and gradient is not None:
                inputs = target._input_metadata
                sums = pending.setdefault(target, [None] * len(inputs))
                gradient = gradient.sum_to_size(inputs[index].shape).to(inputs[index].dtype)
                sums[index] = gradient if sums[index] is None else sums[index] + gradient


def apply_to_tensors(module: nn.Module, function: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """`nn.Module._apply` with new parameters."""
    for child in module.children():
        child._apply(function)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            module._parameters[name] = nn.Parameter(function(parameter.detach()), parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = function(buffer)
    return module


def make_training(settings: list[str], folder: Path) -> Training:
    """A run with three batches of training, validation and test digits."""
    silence_lightning()
    resolved = config("trainer=gpu", "trainer.max_epochs=1", "data.batch_size=4", *settings)
    training = Training(TrainSettings.from_config(resolved), RecordedRun(TrainingJob(resolved, folder)))
    train, test = (Digits(torch.zeros(count, 28, 28).byte(), torch.zeros(count).long()) for count in (12 + 768, 768))
    training.datamodule.source = Source(train, test)
    training.datamodule.split_indices = lambda labels: torch.arange(780).split([12, 768])  # the real one reads labels
    return training
