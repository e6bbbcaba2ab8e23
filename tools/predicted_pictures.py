"""Predictions of the pictures in a folder, as predict.py makes them."""

from pathlib import Path

import pandas as pd

from digits.prediction.classifier import load_classifier
from digits.prediction.inputs import PictureStream, open_input
from digits.prediction.pictures import choose_digits
from digits.runs.onnx_model import predict_with_bundled


def predict_folder(checkpoint: str, folder: Path, accelerator: str = "auto") -> pd.DataFrame:
    """The columns `label` and `confidence`, by file name. A refused picture has no row."""
    classifier = load_classifier(checkpoint, accelerator=accelerator)
    stream = open_input(str(folder), 1)
    assert isinstance(stream, PictureStream)
    names, labels, confidences = [], [], []
    for chunk in stream.chunks:
        digits = choose_digits(chunk, predict_with_bundled)
        probabilities = classifier.predict(digits.images)
        names += [Path(source.file).name for source in digits.sources]
        labels += probabilities.argmax(1).tolist()
        confidences += probabilities.max(1).tolist()
    return pd.DataFrame({"label": labels, "confidence": confidences}, index=names)
