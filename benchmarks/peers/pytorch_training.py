"""Plain PyTorch: the loop of its MNIST example, float32, torchvision's MNIST behind a DataLoader with its defaults."""

import argparse
import time

import torch
import torch.nn.functional as F
from pytorch_network import kaggle_cnn, mnist
from torch.utils.data import DataLoader
from turns import take_turns

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--augment", action="store_true")
options = parser.parse_args()

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
loader = DataLoader(mnist(options.root, train=True, augment=options.augment), batch_size=128, shuffle=True)
model = kaggle_cnn().to(device)
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9)


def train(steps: int) -> None:
    model.train()
    for step, (images, labels) in enumerate(loader):
        if step == steps:
            break
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            loss.item()  # what the example prints


def turn() -> dict[str, float]:
    began = time.perf_counter()
    train(options.steps)
    return {"images/s": options.steps * 128 / (time.perf_counter() - began)}


train(20)
take_turns(turn)
