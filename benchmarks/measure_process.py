"""Runs a command and prints its seconds and its peak memory in MB as JSON.

A small process of its own: Linux counts the memory of the parent at the fork as memory of the child.
"""

import json
import resource
import subprocess
import sys
import time

started_at = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - started_at
print(json.dumps({"seconds": seconds, "MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}))
sys.exit(code)
