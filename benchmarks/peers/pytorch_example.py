"""The MNIST example of github.com/pytorch/examples: its network, Adadelta at a rate of 1 times 0.7 per epoch, batches
of 64, a test after each epoch. One round trains from fresh weights to a test accuracy of 99 %, at most 14 epochs."""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader

from benchmarks.peers.pytorch_network import mnist
from benchmarks.worker import serve_rounds


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.dropout1(F.max_pool2d(x, 2)).flatten(1)
        x = self.dropout2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def measure() -> dict[str, float]:
    model = Net().to(device)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    started_at = time.perf_counter()
    course = {}
    for epoch in range(1, 15):
        model.train()
        for step, (images, labels) in enumerate(train_loader):
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(model(images), labels)
            loss.backward()
            optimizer.step()
            if step % 10 == 0:
                loss.item()
        model.eval()
        correct = 0
        with torch.no_grad():
            for images, labels in test_loader:
                images, labels = images.to(device), labels.to(device)
                correct += (model(images).argmax(1) == labels).sum().item()
        scheduler.step()
        error, seconds = 1 - correct / 10_000, time.perf_counter() - started_at
        course |= {f"error {epoch}": error, f"seconds {epoch}": seconds}
        if correct >= 9_900:
            break
    return {"seconds": seconds, "error": error, **course}


parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
options = parser.parse_args()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
train_loader = DataLoader(mnist(options.root, train=True), batch_size=64, shuffle=True)
test_loader = DataLoader(mnist(options.root, train=False), batch_size=1000)
serve_rounds(measure)
