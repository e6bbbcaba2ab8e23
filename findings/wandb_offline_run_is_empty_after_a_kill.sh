#!/usr/bin/env bash
# Weights & Biases: an offline run whose process is killed can be empty, although its steps were logged.
#
# `run.log` returns after each step, and a separate process, wandb-core, writes the file of an offline run. A good engineer
# expects that at most the last steps are lost when the training is killed, as it happens by the memory limit of a
# cluster. Seen with wandb 0.31.0 and Python 3.11: 40 steps in 2 seconds, then SIGKILL of the training. wandb-core
# ends, and leaves a file of 7 bytes, which is its header: no step, no settings, no name. In runs of 12 and 20 seconds the
# file held 12 kB and 8 kB. With run.finish() all is there.
#
# This project therefore does not rely on the logger: history.csv and metrics.json are written after each epoch, and
# `resume=` continues the run (docs/sweeps.md, Loggers).
#
# Usage: findings/wandb_offline_run_is_empty_after_a_kill.sh. Needs no account and no network for its runs. Fails if the
# behavior has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet wandb==0.31.0

cat > "$folder/log.py" << 'END'
import os
import signal
import sys
import time

import wandb

run = wandb.init(mode="offline", project="finding", dir=sys.argv[1], settings=wandb.Settings(silent=True))
for step in range(40):
    run.log({"loss": 1 / (step + 1)})
    time.sleep(0.05)
if sys.argv[2] == "finish":
    run.finish()
else:
    os.kill(os.getpid(), signal.SIGKILL)
END

size_after() {
    mkdir "$folder/$1"
    "$folder/venv/bin/python" "$folder/log.py" "$folder/$1" "$1" > "$folder/$1.log" 2>&1 || true
    sleep 5 # wandb-core ends after its client
    find "$folder/$1" -name '*.wandb' -printf '%s'
}

finished=$(size_after finish)
killed=$(size_after kill 2> /dev/null)
echo "bytes after run.finish(): $finished, after SIGKILL: $killed"
[ "$finished" -gt 1000 ] && [ "$killed" -eq 7 ] || { echo "The behavior has changed."; exit 1; }
echo "as described"
