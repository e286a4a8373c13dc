#!/usr/bin/env bash
# Make the model that ships, from nothing: data, training, GGUF, Modelfile, evaluation, model card.
#
# Takes about two hours on two cores, most of it training, and goes on where it stopped when it is run again.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh dev,train,postgres,mysql
[ -f data/shop.sqlite ] || .venv/bin/python scripts/demo/load.py data/shop.sqlite
gguf=modelfiles/queryforge-shop-q8_0.gguf
data=runs/shop-data
run=runs/shop-base

[ -f "$data/summary.json" ] || .venv/bin/queryforge datagen --db data/shop.sqlite --count 260000 --workers 2 --seed 1 \
  --exclude scripts/demo/questions.jsonl --out "$data"
[ -f "$run/report.json" ] || .venv/bin/queryforge train training/configs/shop.toml --data "$data" --out "$run"
.venv/bin/queryforge export "$run/model" "$gguf" --type q8_0 --db data/shop.sqlite
.venv/bin/python -m training.modelfile "$gguf"
.venv/bin/queryforge schema --json --db data/shop.sqlite > modelfiles/queryforge-shop.schema.json
.venv/bin/queryforge eval --examples scripts/demo/questions.jsonl --db data/shop.sqlite --backend llamacpp \
  --model "$gguf" --out runs/shop-eval
.venv/bin/python scripts/write_model_card.py --data "$data" --run "$run" --eval runs/shop-eval --gguf "$gguf"
