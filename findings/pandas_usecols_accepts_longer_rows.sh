#!/usr/bin/env bash
# pandas: a row with too many values is an error, unless `usecols` is given; then its other values are dropped silently.
#
# `read_csv` refuses a row that is longer than the header, and `on_bad_lines="error"`, its default, promises so. Naming
# the columns to read with `usecols` switches the check off for all rows, with both parsers, even if all columns are
# named. Seen with pandas 3.0.0 and 2.2.3, numpy 2.2.6 and Python 3.11:
#
#   a row of 4 values below 3 names              c engine       python engine
#   read_csv(text)                               ParserError    ParserError
#   read_csv(text, usecols=["a", "b", "c"])      reads 4, 5, 6  reads 4, 5, 6
#   … and on_bad_lines="error"                   reads 4, 5, 6  reads 4, 5, 6
#
# In a CSV of images, two rows that a lost line end has joined are then one valid image, and one image is missing. This
# project reads all columns, with the type str for those that it ignores.
#
# Usage: findings/pandas_usecols_accepts_longer_rows.sh. Fails if the behavior has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"

cat > "$folder/app.py" << 'END'
import io

import pandas as pd

TEXT = "a,b,c\n1,2,3\n4,5,6,7\n"


def read(**options):
    try:
        return pd.read_csv(io.StringIO(TEXT), **options).values.tolist()
    except pd.errors.ParserError:
        return "ParserError"


for engine in ("c", "python"):
    print(engine, "all columns:", read(engine=engine))
    print(engine, "usecols:", read(engine=engine, usecols=["a", "b", "c"]))
    print(engine, "on_bad_lines:", read(engine=engine, usecols=["a", "b", "c"], on_bad_lines="error"))
END

expected="c all columns: ParserError
c usecols: [[1, 2, 3], [4, 5, 6]]
c on_bad_lines: [[1, 2, 3], [4, 5, 6]]
python all columns: ParserError
python usecols: [[1, 2, 3], [4, 5, 6]]
python on_bad_lines: [[1, 2, 3], [4, 5, 6]]"
for version in 2.2.3 3.0.0; do
    "$folder/venv/bin/python" -m pip install --quiet "pandas==$version" numpy==2.2.6
    seen=$("$folder/venv/bin/python" "$folder/app.py")
    echo "pandas $version"
    echo "$seen"
    [ "$seen" = "$expected" ] || { echo "The behavior has changed."; exit 1; }
done
echo "as described"
