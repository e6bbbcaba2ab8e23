#!/usr/bin/env bash
# Hydra: a file in the folder of --config-dir does not replace the application's file of the same name, without a word.
#
# --config-dir "adds an additional config dir to the config search path". As with PATH or a user's settings elsewhere, the
# user's folder is expected to win: a folder with optimizer/adam.yaml should change the application's `optimizer=adam`.
# Seen with hydra-core 1.3.8, omegaconf 2.3.1 and Python 3.11: the folder is appended, so the application's file is read.
# `hydra.searchpath=[file://…]` behaves the same. A name that only the user's folder has is found. --config-path puts the
# user's folder first, but the application's folder is then no longer searched, and its primary configuration is missing.
#
#   user's folder given by    optimizer=adam          optimizer=mine
#   --config-dir              the application's 0.1   the user's 0.5
#   hydra.searchpath          the application's 0.1   the user's 0.5
#   --config-path             an error                an error
#
# This project passes both folders, the user's as --config-path and its own as --config-dir.
#
# Usage: findings/hydra_config_dir_replaces_nothing.sh. Fails if the behavior has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet hydra-core==1.3.8 omegaconf==2.3.1

cd "$folder"
mkdir -p conf/optimizer mine/optimizer
printf 'defaults:\n  - optimizer: adam\n' > conf/settings.yaml
echo 'rate: 0.1' > conf/optimizer/adam.yaml
echo 'rate: 0.5' > mine/optimizer/adam.yaml
echo 'rate: 0.5' > mine/optimizer/mine.yaml
cat > app.py << 'END'
import hydra


@hydra.main(config_path="conf", config_name="settings", version_base="1.3")
def main(config):
    print(config.optimizer.rate)


main()
END

read_by() {
    venv/bin/python app.py "$@" hydra.run.dir=out hydra.output_subdir=null 2> /dev/null || echo error
}

seen=$(for optimizer in adam mine; do
    echo "$optimizer" \
        "$(read_by --config-dir "$folder/mine" "optimizer=$optimizer")" \
        "$(read_by "hydra.searchpath=[file://$folder/mine]" "optimizer=$optimizer")" \
        "$(read_by --config-path "$folder/mine" "optimizer=$optimizer")"
done)
expected="adam 0.1 0.1 error
mine 0.5 0.5 error"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "The behavior has changed."; exit 1; }
echo "as described"
