"""This project: one round reads a CSV file into tensors, with all checks."""

import sys

from benchmarks.worker import measure_seconds, serve_rounds
from digits.data.sources import csv

[file] = sys.argv[1:]
csv(file)
serve_rounds(lambda: {"seconds": measure_seconds(csv, file)})
