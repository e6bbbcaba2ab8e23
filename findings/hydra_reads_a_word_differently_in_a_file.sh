#!/usr/bin/env bash
# Hydra: the same word is another value on the command line than in a configuration file.
#
# `python app.py start=12:30` and a file with `start: 12:30` are expected to set the same value: both end in OmegaConf.
# Seen with hydra-core 1.3.8, omegaconf 2.3.1, PyYAML 6.0.3 and Python 3.11: the command line is parsed by a grammar of
# Hydra's own, files by PyYAML with YAML 1.1 and one change of OmegaConf's (floats such as 1e3).
#
#   word        command line    file      yaml.safe_load
#   12:30       '12:30'         750       750                 (sexagesimal: 12 × 60 + 30)
#   0x10        '0x10'          16        16
#   010         '010'           8         8                   (octal)
#   1e3         1000.0          1000.0    '1e3'
#   2026_11_30  20261130        20261130  20261130
#   no          'no'            False     False
#
# A run that is named by a time, or a setting that is moved from the command line into an experiment file, changes
# silently. This project quotes the words of settings that are text on the command line, and refuses a name in a file
# that is a number.
#
# Usage: findings/hydra_reads_a_word_differently_in_a_file.sh. Fails if the behavior has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet hydra-core==1.3.8 omegaconf==2.3.1 PyYAML==6.0.3

mkdir "$folder/conf"
cat > "$folder/app.py" << 'END'
import hydra


@hydra.main(config_path="conf", config_name="settings", version_base="1.3")
def main(config):
    print(repr(config.start))


main()
END

read_by() {
    cd "$folder"
    printf 'start: %s\n' "$1" > conf/settings.yaml
    from_file=$(venv/bin/python app.py hydra.run.dir=out hydra.output_subdir=null)
    echo 'start: text' > conf/settings.yaml
    from_command_line=$(venv/bin/python app.py "start=$1" hydra.run.dir=out hydra.output_subdir=null)
    by_yaml=$(venv/bin/python -c 'import sys, yaml; print(repr(yaml.safe_load(sys.argv[1])))' "$1")
    echo "$1 $from_command_line $from_file $by_yaml"
}

seen=$(for word in 12:30 0x10 010 1e3 2026_11_30 no; do read_by "$word"; done)
expected="12:30 '12:30' 750 750
0x10 '0x10' 16 16
010 '010' 8 8
1e3 1000.0 1000.0 '1e3'
2026_11_30 20261130 20261130 20261130
no 'no' False False"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "The behavior has changed."; exit 1; }
echo "as described"
