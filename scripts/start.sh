#!/usr/bin/env bash
# Set everything up and start the chat on http://localhost:8501. The first start takes minutes, the next ones seconds.
#
#   scripts/start.sh [--port N] [other flags of `queryforge chat`]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh
if [ ! -f data/shop.sqlite ]; then
  .venv/bin/python scripts/demo/load.py data/shop.sqlite
fi
exec .venv/bin/queryforge chat "$@"
