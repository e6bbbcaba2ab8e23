"""Readers of CSV files: a turn reads Kaggle's train.csv into arrays, pixels uint8 [N, 784] and labels int64 [N]."""

import argparse
import time

import numpy as np
from turns import take_turns


def with_pandas() -> np.ndarray:
    return pandas.read_csv(options.file).to_numpy(np.uint8)


def with_pandas_uint8() -> np.ndarray:
    return pandas.read_csv(options.file, dtype=np.uint8).to_numpy()


def with_pandas_pyarrow() -> np.ndarray:
    return pandas.read_csv(options.file, dtype=np.uint8, engine="pyarrow").to_numpy()


def with_polars() -> np.ndarray:
    return polars.read_csv(options.file, schema_overrides=[polars.UInt8] * 785).to_numpy()


def with_pyarrow() -> np.ndarray:
    names = ["label", *(f"pixel{k}" for k in range(784))]
    types = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.uint8()))
    return np.column_stack([column.to_numpy() for column in arrow_csv.read_csv(options.file, convert_options=types)])


def with_numpy() -> np.ndarray:
    return np.loadtxt(options.file, dtype=np.uint8, delimiter=",", skiprows=1)


READERS = {
    "pandas": with_pandas,
    "pandas-uint8": with_pandas_uint8,
    "pandas-pyarrow": with_pandas_pyarrow,
    "polars": with_polars,
    "pyarrow": with_pyarrow,
    "numpy": with_numpy,
}
parser = argparse.ArgumentParser()
parser.add_argument("reader", choices=READERS)
parser.add_argument("file")
options = parser.parse_args()
if "pandas" in options.reader:
    import pandas
if options.reader == "polars":
    import polars
if options.reader == "pyarrow":
    import pyarrow
    from pyarrow import csv as arrow_csv


def turn() -> dict[str, float]:
    began = time.perf_counter()
    values = READERS[options.reader]()
    pixels, labels = np.ascontiguousarray(values[:, 1:]), values[:, 0].astype(np.int64)
    assert len(pixels) == len(labels)
    return {"seconds": time.perf_counter() - began}


turn()
take_turns(turn)
