"""Plain PyTorch: the loop of its MNIST example, float32, torchvision's MNIST behind a DataLoader with its defaults."""

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from benchmarks.peers.options import options
from benchmarks.peers.pytorch_network import kaggle_cnn, mnist
from benchmarks.worker import measure_seconds, serve_rounds

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
            loss.item()  # the example prints the loss


train(20)
serve_rounds(lambda: {"images/s": options.steps * 128 / measure_seconds(lambda: train(options.steps))})
