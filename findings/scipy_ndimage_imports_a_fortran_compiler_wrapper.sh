#!/usr/bin/env bash
# SciPy: `import scipy.ndimage` imports numpy.f2py and numpy.testing, which NumPy loads lazily to keep its start short.
#
# A filter of images is expected to need neither the wrapper around Fortran compilers nor the helpers of test suites. NumPy
# imports both only when they are used. Seen with scipy 1.17.1, numpy 2.4.6 and Python 3.11: SciPy's layer for other array
# libraries copies the names of NumPy (`scipy._lib.array_api_compat.numpy`) and asks for each of them, which loads the lazy
# modules, although no other array library is installed. scipy.special does the same.
#
#   import           numpy.f2py   numpy.testing
#   numpy            no           no
#   scipy.ndimage    yes          yes
#   scipy.special    yes          yes
#
# A program that reads one picture waits for it each time: on an EPYC, 56 of the 131 ms of this import (python -X
# importtime). This project imports SciPy only for pictures, not for files of digits, and computes one interval without
# scipy.stats.
#
# Usage: findings/scipy_ndimage_imports_a_fortran_compiler_wrapper.sh. Fails if the behavior has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet scipy==1.17.1 numpy==2.4.6

seen=$(for module in numpy scipy.ndimage scipy.special; do
    "$folder/venv/bin/python" -c "
import sys
import $module
print('$module', 'numpy.f2py' in sys.modules, 'numpy.testing' in sys.modules)"
done)
expected="numpy False False
scipy.ndimage True True
scipy.special True True"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "The behavior has changed."; exit 1; }
echo "as described"
