"""The MNIST example of github.com/pytorch/examples (its network, Adadelta at 1 times 0.7 an epoch, batches of 64, a
test after every epoch): a turn trains until the test accuracy is 99 %, from fresh weights, at most 14 epochs."""

import argparse
import time

import torch
import torch.nn.functional as F
from pytorch_network import mnist
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader
from turns import take_turns


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


def turn() -> dict[str, float]:
    model = Net().to(device)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    began = time.perf_counter()
    measured = {}
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
        measured |= {f"error {epoch}": 1 - correct / 10_000, f"seconds {epoch}": time.perf_counter() - began}
        if correct >= 9_900:
            break
    return {"seconds": measured[f"seconds {epoch}"], "error": measured[f"error {epoch}"], **measured}


parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
options = parser.parse_args()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
train_loader = DataLoader(mnist(options.root, train=True), batch_size=64, shuffle=True)
test_loader = DataLoader(mnist(options.root, train=False), batch_size=1000)
take_turns(turn)
