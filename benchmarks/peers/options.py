"""The command line of the training peers."""

import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--root", required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--augment", action="store_true")
options = parser.parse_args()
