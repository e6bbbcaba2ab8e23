"""What is measured: each function holds one part's contests."""

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.contest import PEERS_PYTHON, US, Command, Contest, Worker, hold
from benchmarks.files import Files
from digits.models.networks import NETWORKS


class Options(NamedTuple):
    root: str
    turns: int
    files: Files


def training(options: Options) -> Iterator[Contest]:
    """The rate of training kaggle_cnn, with and without augmentation."""
    steps = 80
    ours = ["data=mnist", f"data.root={options.root}", "data.val_size=0", "model=kaggle_cnn", "optimizer=rmsprop"]
    moves = ["augment.degrees=10", "augment.translate=[0.1,0.1]", "augment.scale=[0.9,1.1]", "augment.shear=null"]
    for title, augment, own, flags in (
        ("kaggle_cnn, batch 128", "none", [], []),
        ("the same with augmentation", "affine", moves, ["--augment"]),
    ):
        plain = ["schedule=constant", f"augment={augment}", *own]
        peers = ["--root", options.root, "--steps", steps, *flags]
        contenders = [
            Worker(US, "ours/training.py", "--steps", steps, *ours, *plain),
            Worker("Keras 3, TensorFlow", "peers/keras_training.py", *peers),
            Worker("plain PyTorch", "peers/pytorch_training.py", *peers),
            Worker("plain Lightning", "peers/lightning_training.py", *peers),
        ]
        yield hold(title, "images/s", contenders, options.turns)


def precision(options: Options) -> Iterator[Contest]:
    """What of the rate of training is due to bfloat16, where the hardware has it."""
    recipe = ["data=mnist", f"data.root={options.root}", "data.val_size=0", "model=kaggle_cnn", "augment=none"]
    ours = ["ours/training.py", "--steps", 80, *recipe]
    contenders = [Worker(US, *ours), Worker(f"{US} in float32", *ours, "trainer.precision=32-true")]
    yield hold("kaggle_cnn, batch 128", "images/s", contenders, options.turns)


def hardware(options: Options) -> Iterator[Contest]:
    """Training against the rate of matrix products, and where the time of a step goes."""
    for model in ("kaggle_cnn", "m3", "compact_cnn", "fast_cnn"):
        yield hold(model, "images/s", [Worker(model, "ours/hardware.py", model)], options.turns)


def accuracy(options: Options) -> Iterator[Contest]:
    """Seconds to a test accuracy of 99 %."""
    ours = Worker(US, "ours/accuracy.py", "experiment=fast", f"data.root={options.root}")
    example = Worker("PyTorch's MNIST example", "peers/pytorch_example.py", "--root", options.root)
    yield hold("experiment=fast, ten seeds", "seconds", [ours], 10)
    yield hold("until 99 % of the test digits are right", "seconds", [ours, example], 1)


NORMALISED = ("compact_cnn", "m3", "m5", "m7")
BUDGETS = {  # experiment and epochs of the networks that are meant for them
    "fast_cnn": ("fast", (1, 2, 4)),
    "compact_cnn": ("compact", (1, 2, 4, 8, 16)),
}


def pareto(options: Options) -> Iterator[Contest]:
    """The test error after training for some time: every network, the smaller budgets with several seeds."""
    for model in ("fast_cnn", "compact_cnn", *(name for name in NETWORKS if name not in BUDGETS)):
        experiment, budgets = BUDGETS.get(model, ("compact", (1,)))
        rate = [] if model in BUDGETS else [f"optimizer.lr={0.01 if model in NORMALISED else 0.002}"]
        for epochs in budgets:
            recipe = [f"experiment={experiment}", f"model={model}", f"data.root={options.root}", *rate]
            worker = Worker(US, "ours/accuracy.py", *recipe, f"trainer.max_epochs={epochs}")
            turns = min(options.turns, max(1, 4 // epochs)) if model in BUDGETS else 1
            yield hold(f"{model}, {epochs} {'epoch' if epochs == 1 else 'epochs'}", "seconds", [worker], turns)
    root = ["--root", options.root]
    for name, program, *arguments in (
        ("Keras's MNIST example, 15 epochs", "peers/keras_example.py"),
        ("scikit-learn, SVM", "peers/scikit.py", "svm"),
        ("scikit-learn, 5-NN", "peers/scikit.py", "knn"),
    ):
        yield hold(name, "seconds", [Worker(name, program, *root, *arguments)], 1)


def submission(options: Options) -> Iterator[Contest]:
    """Kaggle's 28,000 rows to a submission, whole processes."""
    files = options.files
    digits, keras = files.test_csv(), files.keras_model()
    ours = [
        sys.executable,
        "predict.py",
        f"checkpoint={files.checkpoint()}",
        f"input={digits}",
        f"output={files / 's.csv'}",
    ]
    theirs = [PEERS_PYTHON, "benchmarks/peers/keras_submission.py", keras, digits, files / "k.csv"]
    contenders = [Command(US, *ours), Command("Keras 3 and pandas", *theirs)]
    yield hold("28,000 rows to a submission", "seconds", contenders, options.turns)


def latency(options: Options) -> Iterator[Contest]:
    """One image at a time, and the most images a second."""
    root = ["--root", options.root]
    checkpoint, model = options.files.checkpoint(), options.files.onnx_model()
    keras = "peers/keras_prediction.py"
    one = [
        Worker(US, "ours/prediction.py", checkpoint, *root),
        Worker(f"{US}, ONNX Runtime", "ours/prediction.py", model, *root),
        Worker("Keras 3, TensorFlow", keras, *root),
    ]
    yield hold("a single image, kaggle_cnn", "ms", one, options.turns)
    for batch in (64, 128, 256, 1024):
        size = [*root, "--batch", batch]
        many = [
            Worker(US, "ours/prediction.py", checkpoint, *size),
            Worker(f"{US}, ONNX Runtime", "ours/prediction.py", model, *size),
            Worker("Keras 3, TensorFlow", keras, *size),
        ]
        yield hold(f"10,000 images, batch {batch}", "images/s", many, options.turns)


def reading(options: Options) -> Iterator[Contest]:
    """Kaggle's train.csv into tensors."""
    file = options.files.train_csv()
    readers = ("polars", "pyarrow", "pandas-pyarrow", "pandas-uint8", "pandas", "numpy")
    peers = [Worker(reader, "peers/readers.py", reader, file) for reader in readers]
    yield hold("42,000 rows", "seconds", [Worker(US, "ours/reading.py", file), *peers], options.turns)


def startup(options: Options) -> Iterator[Contest]:
    """Whole processes: the time to start, and the peak memory."""
    python = sys.executable
    root = f"data.root={options.root}"
    quick = [python, "train.py", "model=mlp", "trainer.max_epochs=1"]
    folder = options.files
    commands = {
        "train.py --help": [python, "train.py", "--help"],
        "predict.py --help": [python, "predict.py", "--help"],
        "import digits": [python, "-c", "import digits; digits.load_classifier"],
        "import torch": [python, "-c", "import torch"],
        "import lightning": [python, "-c", "import lightning.pytorch"],
        "train.py, mlp, one epoch of the sample": [*quick, f"hydra.run.dir={folder / 'mlp-${now:%H%M%S%f}'}"],
        "train.py experiment=fast": [
            python,
            "train.py",
            "experiment=fast",
            root,
            f"hydra.run.dir={folder / 'fast-${now:%H%M%S%f}'}",
        ],
        "predict.py, one image": [
            python,
            "predict.py",
            f"checkpoint={folder.checkpoint()}",
            f"input={folder.picture()}",
        ],
    }
    contenders = [Command(name, *command) for name, command in commands.items()]
    yield hold("start and end", "seconds", contenders, options.turns)


def sweep(options: Options) -> Iterator[Contest]:
    """Eight small jobs, one after the other and two at once."""
    jobs = ["model=fast_cnn", "augment=none", "trainer.max_epochs=10", "seed=0,1,2,3,4,5,6,7"]
    place = f"hydra.sweep.dir={options.files / 'sweep-${now:%H%M%S%f}'}"
    base = [sys.executable, "train.py", "-m", *jobs, place]
    contenders = [
        Command("one after the other", *base),
        Command("two at once", *base, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    ]
    held = hold("8 jobs", "seconds", contenders, min(options.turns, 3))
    seconds = {name: [{"seconds": turn["seconds"]} for turn in turns] for name, turns in held.turns.items()}
    yield held._replace(turns=seconds)  # without the memory, which would be that of one process of several


def growth(options: Options) -> Iterator[Contest]:
    """How seconds and memory grow: with the images of an epoch, its batch size, and the networks of an ensemble."""
    for title, what, sizes in (
        ("images in an epoch (fast_cnn)", "images", (5_000, 15_000, 50_000, 150_000, 500_000)),
        ("batch size, 16,384 images (fast_cnn)", "batch", (16, 64, 256, 1024, 4096)),
        ("networks in an ensemble, 5,000 images (kaggle_cnn)", "ensemble", (1, 2, 4, 8, 16)),
    ):
        contenders = [Worker(f"{size:,}", "ours/growth.py", what, size) for size in sizes]
        yield hold(title, "seconds", contenders, min(options.turns, 3))


PARTS: dict[str, Callable[[Options], Iterator[Contest]]] = {
    part.__name__: part
    for part in (training, precision, hardware, accuracy, pareto, submission, latency, reading, startup, sweep, growth)
}
