#!/usr/bin/env bash
# Make a new model for the database as it is now, judge it, and let it serve if it is better. For people and for cron:
#
#   scripts/retrain.sh --db URL [--if-changed] [other flags of `queryforge retrain`]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh train,report,postgres,mysql
exec .venv/bin/queryforge retrain "$@"
