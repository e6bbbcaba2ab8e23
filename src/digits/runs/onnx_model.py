"""A classifier in ONNX, run by ONNX Runtime on the CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.errors import InputError
from digits.host import onnx_runtime_threads
from digits.installation import needs
from digits.runs.onnx_file import SealedModel, read_model, read_sealed

BUNDLED_ONNX_PATH = Path(__file__).parents[1] / "bundled.onnx"
"""The network of `bundled.ckpt`, made by tools/bundle.py: float32, its weights stored in float16."""
MAX_MEMORY = 1 << 30  # bytes of ONNX Runtime's allocator
MAX_TRIAL_SECONDS = 10.0
TOLERANCE = 1e-3  # of a probability, and of the sum of ten


def predict_with_bundled(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Judges images uint8 [N, 28, 28] by the network of this package: probabilities float32 [N, 10]. It decides whether
    images look like digits, and where a picture shows one, on every machine alike."""
    return bundled_model().predict(images)


@cache
def bundled_model() -> "OnnxModel":
    """The network of this package."""
    return OnnxModel(read_sealed(BUNDLED_ONNX_PATH))


def load_onnx_model(path: Path) -> "OnnxModel":
    """A model that `predict.py export=…` wrote. It is tried with one and with two images.

    Raises InputError for a file that is missing, damaged or from another program."""
    model = read_model(path)
    import_onnxruntime()  # here, because its error is none of the model
    try:
        return OnnxModel(model, is_limited=True)
    except Exception:  # a model of another program can fail in any way
        raise InputError(f"{path}: not a model that predict.py exported: it gives no probabilities") from None


class OnnxModel:
    """Maps images uint8 [N, 28, 28] to probabilities float32 [N, 10]. They are `calibrated` if a temperature was fitted
    on validation digits. With `is_limited`, its memory and the time of its first runs are limited."""

    def __init__(self, model: SealedModel, *, is_limited: bool = False) -> None:
        self.name = model.name
        self.calibrated = model.calibrated
        self.hardware = "ONNX Runtime on the CPU"
        self.session = _start_session(model.content, is_limited=is_limited)
        if is_limited:
            for count in (1, 2):
                with _time_limit() as run_options:
                    self._run(np.full((count, 28, 28), 100, np.uint8), run_options)

    def predict(self, images: NDArray[np.uint8], batch_size: int = 128) -> NDArray[np.float32]:
        """Raises InputError if the model fails, or if its results are no probabilities."""
        probabilities = [np.empty((0, 10), np.float32)]
        for start in range(0, len(images), batch_size):
            batch = np.ascontiguousarray(images[start : start + batch_size])
            try:
                probabilities.append(self._run(batch))
            except ValueError as error:
                raise InputError(str(error)) from None
            except Exception as error:  # ONNX Runtime has many exception classes of its own
                raise InputError(f"{self.name}: ONNX Runtime failed ({error}); try a lower batch_size") from None
        return np.concatenate(probabilities)

    def _run(self, images: NDArray[np.uint8], run_options: Any = None) -> NDArray[np.float32]:
        """Raises ValueError if the result is not a probability for each image and digit."""
        result: NDArray[np.float32]
        [result] = self.session.run(None, {"images": images}, run_options)
        if result.shape != (len(images), 10) or result.dtype != np.float32:
            raise ValueError(f"{self.name}: an array {result.dtype} {list(result.shape)} instead of probabilities")
        lowest = result.min(initial=0)
        difference = np.abs(result.sum(1) - 1).max(initial=0)
        is_distribution = lowest >= -TOLERANCE and difference <= TOLERANCE  # false for NaN
        if not is_distribution:
            raise ValueError(f"{self.name}: numbers that are not probabilities")
        return result


def _start_session(content: bytes, *, is_limited: bool) -> Any:
    """An InferenceSession of ONNX Runtime."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised, not logged
    options.intra_op_num_threads = onnx_runtime_threads()
    disabled_optimizers = []
    if is_limited:
        _limit_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        # Without constant folding, constants are computed in the runs, which are limited.
        disabled_optimizers.append("ConstantFolding")
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"], disabled_optimizers=disabled_optimizers
    )


def import_onnxruntime() -> Any:
    """The module, imported late: training on MNIST does not need it. Its telemetry is off, unless the variable
    ORT_DISABLE_TELEMETRY is 0. Since version 1.29 it sends events to Microsoft.

    Raises InputError if it cannot be imported."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at the import
    with needs("prediction", "ONNX Runtime"):
        import onnxruntime
    return onnxruntime


@cache  # an allocator is registered once for all models
def _limit_memory() -> None:
    """Limits the memory of ONNX Runtime for sessions with `session.use_env_allocators`."""
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(info, onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY}))


@contextmanager
def _time_limit() -> Iterator[Any]:
    """Yields options for a run of ONNX Runtime, which fails if it takes longer than `MAX_TRIAL_SECONDS`."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    timer = Timer(MAX_TRIAL_SECONDS, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()
