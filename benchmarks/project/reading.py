"""This project: one round reads a CSV file into tensors, with all checks."""

import sys

from benchmarks.worker import measure_seconds, serve_rounds
from digits.data.formats.csv_file import read_csv

[file] = sys.argv[1:]
read_csv(file)
serve_rounds(lambda: {"seconds": measure_seconds(read_csv, file)})
