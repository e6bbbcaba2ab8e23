"""`kaggle_cnn` in plain PyTorch, and torchvision's MNIST."""

from torch import nn
from torchvision import datasets, transforms


def kaggle_cnn() -> nn.Sequential:
    """Pixels float32 [N, 1, 28, 28] to logits [N, 10]."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(),
        nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(3136, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10),
    )  # fmt: skip


def mnist(root: str, *, train: bool, augment: bool = False) -> datasets.MNIST:
    affine = [transforms.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1))] if augment else []
    normalize = transforms.Normalize((0.1307,), (0.3081,))
    return datasets.MNIST(root, train=train, transform=transforms.Compose([*affine, transforms.ToTensor(), normalize]))
