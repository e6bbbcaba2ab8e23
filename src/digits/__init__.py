"""Digits: deep CNNs on handwritten digits with PyTorch Lightning and Hydra."""
