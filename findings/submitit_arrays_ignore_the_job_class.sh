#!/usr/bin/env bash
# submitit: an array of jobs ignores the job class of its executor.
#
# An executor of submitit has the class attribute `job_class`, and core.Executor.submit creates its jobs with it. A
# subclass of SlurmExecutor with another job_class, for example to read the states of jobs in another way, is expected to
# return such jobs. Seen with submitit 1.5.4 and Python 3.11: it does for a single job, but map_array with two or more
# jobs returns plain SlurmJob objects, and nothing reports the difference. A test with one job therefore passes.
# This project replaces the class in the module as well, and tests both numbers (tests/test_private_apis.py).
#
# Usage: findings/submitit_arrays_ignore_the_job_class.sh. Needs no Slurm: sbatch and srun are programs that print a line.
# Fails if the behavior has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet submitit==1.5.4

mkdir "$folder/programs"
for program in sbatch srun; do
    printf '#!/bin/sh\necho Submitted batch job 7\n' > "$folder/programs/$program"
    chmod +x "$folder/programs/$program"
done

cat > "$folder/submit.py" << 'END'
import sys

from submitit.slurm.slurm import SlurmExecutor, SlurmJob


class OwnJob(SlurmJob):
    pass


class OwnExecutor(SlurmExecutor):
    job_class = OwnJob


executor = OwnExecutor(sys.argv[1])
for count in (1, 2, 3):
    jobs = executor.map_array(abs, range(count))
    print(count, sorted({type(job).__name__ for job in jobs}))
END
PATH="$folder/programs:$PATH" "$folder/venv/bin/python" "$folder/submit.py" "$folder/jobs" | tee "$folder/output"

diff "$folder/output" - << 'END' || { echo "changed" >&2; exit 1; }
1 ['OwnJob']
2 ['SlurmJob']
3 ['SlurmJob']
END
echo "as described"
