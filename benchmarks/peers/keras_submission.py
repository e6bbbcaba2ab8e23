"""Keras and pandas: Kaggle's test.csv to a submission, as in its kernels. Arguments: model, test.csv, submission."""

import sys

import keras
import pandas as pd

model_file, rows_file, submission_file = sys.argv[1:]
model = keras.models.load_model(model_file)
pixels = pd.read_csv(rows_file).to_numpy().reshape(-1, 28, 28, 1) / 255.0
labels = model.predict(pixels, verbose=0).argmax(1)
pd.DataFrame({"ImageId": range(1, len(labels) + 1), "Label": labels}).to_csv(submission_file, index=False)
