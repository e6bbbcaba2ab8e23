"""Runs a command and prints its seconds and its peak memory in MB as JSON.

A process of its own for that, and a small one: Linux counts the memory of whoever starts a program as the program's.
"""

import json
import resource
import subprocess
import sys
import time

began = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}))
sys.exit(code)
