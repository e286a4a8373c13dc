#!/usr/bin/env bash
# Make the base that reads any schema, from nothing: data, training, weights, evaluation on databases it never saw.
#
#   scripts/train_base.sh FOLDER_OF_THE_CORPORA
#
# The folder holds Spider, Spider-Syn and WikiSQL in the files that training/corpus/reading.py names. Takes about five hours
# on two cores (a GPU is used when torch finds one) and goes on where it stopped when it is run again.
set -euo pipefail
cd "$(dirname "$0")/.."
corpora=${1:?"give the folder of the corpora"}

scripts/install.sh dev,train
data=runs/base-data
run=runs/base
[ -f "$data/summary.json" ] || .venv/bin/queryforge corpus --corpora "$corpora" --out "$data" --workers 2
[ -d runs/held-out ] || .venv/bin/queryforge corpus --corpora "$corpora" --held-out --out runs/held-out
# The base itself began with the file that shipped before (training/LOG.md, 1) and 2,300 steps more; any file of the shop will do.
[ -d runs/shop-start ] || .venv/bin/python -c "from pathlib import Path
from training.gguf_weights import restore_folder
restore_folder(Path('modelfiles/queryforge-shop-q8_0.gguf'), Path('runs/shop-start'))"
# A constant rate on all of it, then one that comes down on what people asked above all: see training/LOG.md, 4 and 5.
[ -f "$run/report.json" ] || .venv/bin/queryforge train training/configs/base.toml --data "$data" --out "$run"
grep -q '"steps": 11800' "$run/report.json" || .venv/bin/queryforge train training/configs/base.toml --data "$data/last" \
  --out "$run" --set max_steps=11800 --set schedule=linear --set learning_rate=3e-3
.venv/bin/python -m training.half "$run/model" modelfiles/base
.venv/bin/queryforge export "$run/model" "$run/base.gguf"
.venv/bin/queryforge eval --examples runs/held-out/questions.jsonl --db runs/held-out --backend llamacpp \
  --model "$run/base.gguf" --out runs/base-eval
