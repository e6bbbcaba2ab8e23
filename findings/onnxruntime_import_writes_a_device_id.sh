#!/usr/bin/env bash
# ONNX Runtime: importing it on Linux writes an identifier of the machine and a database of events into the home folder.
#
# A library that runs local models is expected to write nothing, as it did up to version 1.28.0. Seen with onnxruntime
# 1.28.0, 1.29.0 and 1.32.0, Python 3.11, Linux on x86-64: since 1.29.0, `import onnxruntime` alone creates two files below
# ~/.cache/Microsoft/DeveloperTools/.onnxruntime. `disable_telemetry_events()`, which is named for this purpose, can only
# be called after the import, and the files are there by then. The variable ORT_DISABLE_TELEMETRY=1 prevents them.
#
#   onnxruntime                                      files in an empty home folder
#   1.28.0                                           none
#   1.29.0, 1.32.0                                   deviceid, onnxruntime.db
#   1.29.0, 1.32.0, disable_telemetry_events()       deviceid, onnxruntime.db
#   1.29.0, 1.32.0, ORT_DISABLE_TELEMETRY=1          none
#
# This project sets the variable before the import, unless the user has set it.
#
# Usage: findings/onnxruntime_import_writes_a_device_id.sh. Fails if the behavior has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"

files_after() {
    rm -rf "$folder/home"
    mkdir "$folder/home"
    env -u XDG_CACHE_HOME HOME="$folder/home" ORT_DISABLE_TELEMETRY="$1" "$folder/venv/bin/python" -c "$2"
    find "$folder/home" -type f -printf '%f\n' | sort | paste -sd ' '
}

seen=$(for version in 1.28.0 1.29.0 1.32.0; do
    "$folder/venv/bin/python" -m pip install --quiet "onnxruntime==$version" 2> /dev/null
    echo "$version: $(files_after '' 'import onnxruntime')"
    echo "$version, disabled by a call: $(files_after '' 'import onnxruntime; onnxruntime.disable_telemetry_events()')"
    echo "$version, disabled by a variable: $(files_after 1 'import onnxruntime')"
done | sed 's/ *$//')
expected="1.28.0:
1.28.0, disabled by a call:
1.28.0, disabled by a variable:
1.29.0: deviceid onnxruntime.db
1.29.0, disabled by a call: deviceid onnxruntime.db
1.29.0, disabled by a variable:
1.32.0: deviceid onnxruntime.db
1.32.0, disabled by a call: deviceid onnxruntime.db
1.32.0, disabled by a variable:"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "The behavior has changed."; exit 1; }
echo "as described"
