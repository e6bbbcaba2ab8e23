"""CSV readers: one round reads Kaggle's train.csv into arrays, pixels uint8 [N, 784] and labels int64 [N]."""

import sys

import numpy as np

from benchmarks.worker import measure_seconds, serve_rounds

reader, file = sys.argv[1:]
if "pandas" in reader:
    import pandas
if reader == "polars":
    import polars
if reader == "pyarrow":
    import pyarrow
    from pyarrow import csv as arrow_csv


def read_with_pyarrow() -> np.ndarray:
    names = ["label", *(f"pixel{k}" for k in range(784))]
    types = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.uint8()))
    return np.column_stack([column.to_numpy() for column in arrow_csv.read_csv(file, convert_options=types)])


READERS = {
    "pandas": lambda: pandas.read_csv(file).to_numpy(np.uint8),
    "pandas-uint8": lambda: pandas.read_csv(file, dtype=np.uint8).to_numpy(),
    "pandas-pyarrow": lambda: pandas.read_csv(file, dtype=np.uint8, engine="pyarrow").to_numpy(),
    "polars": lambda: polars.read_csv(file, schema_overrides=[polars.UInt8] * 785).to_numpy(),
    "pyarrow": read_with_pyarrow,
    "numpy": lambda: np.loadtxt(file, dtype=np.uint8, delimiter=",", skiprows=1),
}


def read() -> None:
    values = READERS[reader]()
    pixels, labels = np.ascontiguousarray(values[:, 1:]), values[:, 0].astype(np.int64)
    assert len(pixels) == len(labels)


read()
serve_rounds(lambda: {"seconds": measure_seconds(read)})
