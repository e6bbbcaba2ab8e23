"""The parts of the benchmark: each function runs the benchmarks of one part."""

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import nn

from benchmarks.files import Files
from benchmarks.harness import PEERS_PYTHON, PROJECT_NAME, Benchmark, Command, Worker, run_benchmark
from digits.models.networks import NETWORKS, build_network


class Options(NamedTuple):
    root: str
    rounds: int
    files: Files


def project(module: str, *arguments: object, name: str = PROJECT_NAME) -> Worker:
    return Worker(name, f"benchmarks.project.{module}", *arguments)


def peer(name: str, module: str, *arguments: object) -> Worker:
    return Worker(name, f"benchmarks.peers.{module}", *arguments, python=PEERS_PYTHON)


def training(options: Options) -> Iterator[Benchmark]:
    """Training rate of kaggle_cnn, with and without augmentation."""
    steps = ["--steps", 80]
    recipe = ["data=mnist", f"data.root={options.root}", "data.val_size=0", "model=kaggle_cnn", "optimizer=rmsprop"]
    affine = ["augment.degrees=10", "augment.translate=[0.1,0.1]", "augment.scale=[0.9,1.1]", "augment.shear=null"]
    for title, augment, flags in (
        ("kaggle_cnn, batch 128", ["augment=none"], []),
        ("the same with augmentation", ["augment=affine", *affine], ["--augment"]),
    ):
        peer_options = ["--root", options.root, *steps, *flags]
        programs = [
            project("training", *steps, *recipe, "schedule=constant", *augment),
            peer("Keras 3, TensorFlow", "keras_training", *peer_options),
            peer("plain PyTorch", "pytorch_training", *peer_options),
            peer("plain Lightning", "lightning_training", *peer_options),
        ]
        yield run_benchmark(title, "images/s", programs, options.rounds)


def precision(options: Options) -> Iterator[Benchmark]:
    """Training rate in the default precision (bfloat16 where the hardware has it) and in float32."""
    recipe = ["data=mnist", f"data.root={options.root}", "data.val_size=0", "model=kaggle_cnn", "augment=none"]
    programs = [
        project("training", "--steps", 80, *recipe),
        project("training", "--steps", 80, *recipe, "trainer.precision=32-true", name=f"{PROJECT_NAME} in float32"),
    ]
    yield run_benchmark("kaggle_cnn, batch 128", "images/s", programs, options.rounds)


def hardware(options: Options) -> Iterator[Benchmark]:
    """Training rate against the rate of matrix products, and the share of each part of a step."""
    for model in ("kaggle_cnn", "m3", "compact_cnn", "small_cnn", "fast_cnn"):
        yield run_benchmark(model, "images/s", [project("hardware", model, name=model)], options.rounds)


def layers(options: Options) -> Iterator[Benchmark]:
    """The rate of each convolution against the rate of matrix products."""
    for model in ("kaggle_cnn", "compact_cnn"):
        convolutions = [layer for layer in build_network(model).modules() if isinstance(layer, nn.Conv2d)]
        for index, layer in enumerate(convolutions):
            name = f"{model}: {layer.in_channels} → {layer.out_channels}, {'×'.join(map(str, layer.kernel_size))}"
            worker = project("layers", model, index, name=name)
            yield run_benchmark(name, "forward %", [worker], options.rounds)


def accuracy(options: Options) -> Iterator[Benchmark]:
    """Seconds to a test accuracy of 99 %."""
    fast = project("accuracy", "experiment=fast", f"data.root={options.root}")
    example = peer("PyTorch's MNIST example", "pytorch_example", "--root", options.root)
    yield run_benchmark("experiment=fast, ten seeds", "seconds", [fast], 10)
    yield run_benchmark("until 99 % of the test digits are right", "seconds", [fast, example], 1)


BATCH_NORMALIZED = ("compact_cnn", "small_cnn", "m3", "m5", "m7")
BUDGETS = {  # network: its own experiment, and the epochs to train; all others train one epoch of `compact`
    "fast_cnn": ("fast", (1, 2, 4)),
    "compact_cnn": ("compact", (1, 2, 4, 8, 16)),
}


def pareto(options: Options) -> Iterator[Benchmark]:
    """Test error against training time, for every network; the smaller budgets with several seeds."""
    for model in [*BUDGETS, *(name for name in NETWORKS if name not in BUDGETS)]:
        experiment, budgets = BUDGETS.get(model, ("compact", (1,)))
        recipe = [f"experiment={experiment}", f"model={model}", f"data.root={options.root}"]
        if model not in BUDGETS:
            recipe.append(f"optimizer.lr={0.01 if model in BATCH_NORMALIZED else 0.002}")
        for epochs in budgets:
            program = project("accuracy", *recipe, f"trainer.max_epochs={epochs}")
            rounds = min(options.rounds, max(1, 4 // epochs)) if model in BUDGETS else 1
            yield run_benchmark(f"{model}, {epochs} epoch{'s' * (epochs > 1)}", "seconds", [program], rounds)
    root = ["--root", options.root]
    for program in (
        peer("Keras's MNIST example, 15 epochs", "keras_example", *root),
        peer("scikit-learn, SVM", "scikit", *root, "svm"),
        peer("scikit-learn, 5-NN", "scikit", *root, "knn"),
    ):
        yield run_benchmark(program.name, "seconds", [program], 1)


def submission(options: Options) -> Iterator[Benchmark]:
    """Kaggle's 28,000 rows to a submission, as whole processes."""
    files = options.files
    rows, model = files.test_csv(), files.keras_model()
    predict = [f"checkpoint={files.checkpoint()}", f"input={rows}", f"output={files / 's.csv'}"]
    keras = ["benchmarks.peers.keras_submission", model, rows, files / "k.csv"]
    programs = [
        Command(PROJECT_NAME, sys.executable, "predict.py", *predict),
        Command("Keras 3 and pandas", PEERS_PYTHON, "-m", *keras),
    ]
    yield run_benchmark("28,000 rows to a submission", "seconds", programs, options.rounds)


def latency(options: Options) -> Iterator[Benchmark]:
    """Milliseconds of a single image, and images per second in batches."""
    files = options.files
    for title, quantity, batch in (
        ("a single image, kaggle_cnn", "ms", []),
        *((f"10,000 images, batch {size}", "images/s", ["--batch", size]) for size in (64, 128, 256, 1024)),
    ):
        arguments = ["--root", options.root, *batch]
        programs = [
            project("prediction", files.checkpoint(), *arguments),
            project("prediction", files.onnx_model(), *arguments, name=f"{PROJECT_NAME}, ONNX Runtime"),
            peer("Keras 3, TensorFlow", "keras_prediction", *arguments),
        ]
        yield run_benchmark(title, quantity, programs, options.rounds)


def reading(options: Options) -> Iterator[Benchmark]:
    """Kaggle's train.csv into tensors."""
    file = options.files.train_csv()
    readers = ("polars", "pyarrow", "pandas-pyarrow", "pandas-uint8", "pandas", "numpy")
    programs = [project("reading", file), *(peer(reader, "readers", reader, file) for reader in readers)]
    yield run_benchmark("42,000 rows", "seconds", programs, options.rounds)


def startup(options: Options) -> Iterator[Benchmark]:
    """Start-up time and peak memory of whole processes."""
    files = options.files
    mlp = ["model=mlp", "optimizer=adamw", "trainer.max_epochs=1", f"hydra.run.dir={files / 'mlp-${now:%H%M%S%f}'}"]
    fast = ["experiment=fast", f"data.root={options.root}", f"hydra.run.dir={files / 'fast-${now:%H%M%S%f}'}"]
    commands = {
        "train.py --help": ["train.py", "--help"],
        "predict.py --help": ["predict.py", "--help"],
        "import digits": ["-c", "import digits; digits.load_classifier"],
        "import torch": ["-c", "import torch"],
        "import lightning": ["-c", "import lightning.pytorch"],
        "train.py, mlp, one epoch of the sample": ["train.py", *mlp],
        "train.py experiment=fast": ["train.py", *fast],
        "predict.py, one image": ["predict.py", f"checkpoint={files.checkpoint()}", f"input={files.picture()}"],
    }
    programs = [Command(name, sys.executable, *command) for name, command in commands.items()]
    yield run_benchmark("start and end", "seconds", programs, options.rounds)


def sweep(options: Options) -> Iterator[Benchmark]:
    """Eight small jobs, one after the other and two at once."""
    jobs = ["model=fast_cnn", "augment=none", "optimizer=adamw", "trainer.max_epochs=10", "seed=0,1,2,3,4,5,6,7"]
    folder = f"hydra.sweep.dir={options.files / 'sweep-${now:%H%M%S%f}'}"
    command = [sys.executable, "train.py", "-m", *jobs, folder]
    programs = [
        Command("one after the other", *command),
        Command("two at once", *command, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    ]
    benchmark = run_benchmark("8 jobs", "seconds", programs, min(options.rounds, 3))
    # Without the memory: it would be the memory of only one of the processes.
    seconds = {name: [{"seconds": one["seconds"]} for one in rounds] for name, rounds in benchmark.rounds.items()}
    yield benchmark._replace(rounds=seconds)


def growth(options: Options) -> Iterator[Benchmark]:
    """Seconds and memory against the images of an epoch, the batch size, and the networks of an ensemble."""
    for title, variable, sizes in (
        ("images in an epoch (fast_cnn)", "images", (5_000, 15_000, 50_000, 150_000, 500_000)),
        ("batch size, 16,384 images (fast_cnn)", "batch", (16, 64, 256, 1024, 4096)),
        ("networks in an ensemble, 5,000 images (kaggle_cnn)", "ensemble", (1, 2, 4, 8, 16)),
    ):
        programs = [project("growth", variable, size, name=f"{size:,}") for size in sizes]
        yield run_benchmark(title, "seconds", programs, min(options.rounds, 3))


PARTS: dict[str, Callable[[Options], Iterator[Benchmark]]] = {
    part.__name__: part
    for part in (
        training,
        precision,
        hardware,
        layers,
        accuracy,
        pareto,
        submission,
        latency,
        reading,
        startup,
        sweep,
        growth,
    )
}
