"""Private parts of PyTorch."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from digits.private_apis.coupling import Coupling

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from torch.utils.tensorboard import SummaryWriter

PYTORCH_COUPLINGS = (
    Coupling("torch", "torch.batch_norm_update_stats", "trainer=ddp computes what one process computes", "2.15.0"),
    Coupling("torch", "the error text gloo", "a lost process is reported in one line", "2.15.0"),
    Coupling(
        "torch", "SummaryWriter.file_writer, hparams", "TensorBoard shows settings, scores and outcomes", "2.15.0"
    ),
    Coupling("torch", "names in a file of torch.save", "a checkpoint is checked before it is loaded", "2.15.0"),
    Coupling("torch", "Optimizer._step_supports_amp_scaling", "Muon gets unscaled float16 gradients", "2.15.0"),
)


def batch_statistics(features: "Tensor") -> tuple["Tensor", "Tensor"]:
    """The mean and the biased variance of each channel of [N, C, …], in float32 or float64, without a gradient.

    PyTorch's batch normalization uses this function on a CPU. `torch.var_mean` rounds differently, and takes 3 to 40
    times as long."""
    import torch

    precise = torch.promote_types(features.dtype, torch.float32)
    unused = torch.zeros(features.shape[1], dtype=precise, device=features.device)
    mean, var = torch.batch_norm_update_stats(features.detach(), unused, unused, 0.0)
    return mean, var


def take_unscaled_gradients(optimizer: "Optimizer") -> None:
    """Lets a GradScaler unscale the gradients before the step of a fused optimizer, and skip the step if they are
    infinite. PyTorch's fused optimizers do both in their kernel, without their subclasses
    (findings/torch_fused_optimizers_get_scaled_gradients.sh)."""
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]


def is_gloo_error(error: BaseException) -> bool:
    """Whether a collective operation on CPUs failed. NCCL raises a class of its own, Gloo only RuntimeError. Its text
    begins with the path of the file in Gloo's source."""
    return isinstance(error, RuntimeError) and "gloo" in str(error)


def write_hparams(writer: "SummaryWriter", settings: Mapping[str, Any], metrics: Sequence[str]) -> None:
    """Writes the settings of a run for TensorBoard's page HPARAMS, and the names of the scalars in `metrics`, whose
    last value it shows.

    The public `add_hparams` needs the values at the start, and adds a run for each call."""
    from torch.utils.tensorboard.summary import hparams

    plain = {}
    for key, value in settings.items():
        plain[key] = value if isinstance(value, int | float | str) else str(value)
    experiment, start, _ = hparams(plain, dict.fromkeys(metrics, 0.0))
    assert writer.file_writer is not None
    writer.file_writer.add_summary(experiment)
    writer.file_writer.add_summary(start)


def write_session_end(folder: str, suffix: str, status: str, reason: str | None) -> None:
    """Writes the outcome of a run for TensorBoard's page HPARAMS, and as text, into an event file of its own.

    `add_hparams` of PyTorch always writes a success. TensorBoard's own function for it needs TensorFlow."""
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

    *_, end = hparams({}, {})
    plugin_data = end.value[0].metadata.plugin_data
    content = HParamsPluginData.FromString(plugin_data.content)
    outcome = "STATUS_SUCCESS" if status in ("completed", "pruned") else "STATUS_FAILURE"
    content.session_end_info.status = Status.Value(outcome)
    plugin_data.content = content.SerializeToString()
    with SummaryWriter(folder, filename_suffix=suffix) as writer:
        writer.file_writer.add_summary(end)
        writer.add_text("outcome", f"{status}: {reason}" if reason else status)


# The functions and classes that torch.load with weights_only=True needs for numbers and tensors.
# PyTorch does not document the content of a file.
TORCH_SAVE_GLOBALS = re.compile(
    r"torch (\w+Storage|Size|device|b?float\w*|u?int\d+|bool|complex\d+)"
    r"|torch\._utils _rebuild_(tensor_v2|parameter)|collections (OrderedDict|Counter|defaultdict)"
)
