#!/usr/bin/env bash
# Make the model that ships, from nothing: data, training, a retraining on other data, evaluation, model card.
#
# Takes about two hours and a half on two cores, most of it training, and goes on where it stopped when it is run again.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh dev,train,postgres,mysql
[ -f data/shop.sqlite ] || .venv/bin/python scripts/demo/load.py data/shop.sqlite
gguf=modelfiles/queryforge-shop-q8_0.gguf
data=runs/shop-data
first=runs/shop-base

[ -f "$data/summary.json" ] || .venv/bin/queryforge datagen --db data/shop.sqlite --count 260000 --workers 2 --seed 1 \
  --exclude scripts/demo/questions.jsonl --out "$data"
[ -f "$first/report.json" ] || .venv/bin/queryforge train training/configs/shop.toml --data "$data" --out "$first"
QUERYFORGE_MODELS_PATH=runs/shop/models QUERYFORGE_BACKEND=llamacpp .venv/bin/queryforge retrain --db data/shop.sqlite \
  --base "$first/model" --recipe training/configs/small-goes-on.toml --minutes 15 --runs runs/shop \
  --examples scripts/demo/questions.jsonl --memory runs/shop/memory.sqlite
run=$(find runs/shop -maxdepth 1 -name 'retrain-*' -type d | sort | tail -1)
cp "$run/model.gguf" "$gguf"
.venv/bin/python -m training.modelfile "$gguf"
.venv/bin/queryforge schema --json --db data/shop.sqlite > modelfiles/queryforge-shop.schema.json
.venv/bin/queryforge eval --examples scripts/demo/questions.jsonl --db data/shop.sqlite --backend llamacpp \
  --model "$gguf" --out runs/shop-eval
.venv/bin/queryforge calibrate runs/shop-eval --model "$gguf"
.venv/bin/python scripts/write_model_card.py --run "$run" --eval runs/shop-eval --gguf "$gguf"
