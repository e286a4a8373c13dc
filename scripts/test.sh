#!/usr/bin/env bash
# Set up everything the checks need, then run every check and test.
#
#   scripts/test.sh [pytest arguments]
#
# PostgreSQL, MariaDB, Chromium and GNOME's keyring are installed from Debian's packages when they are missing and this
# runs as root; otherwise the tests that need them are skipped and say so (with CI=true a skip is a failure).
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || packages+=(mariadb-server)
command -v chromium >/dev/null || packages+=(chromium)
command -v gnome-keyring-daemon >/dev/null || packages+=(gnome-keyring)
command -v dbus-daemon >/dev/null || packages+=(dbus)
command -v g++ >/dev/null || packages+=(g++ make)
if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing ${packages[*]} ..." >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  else
    echo "Missing, so some tests will be skipped: ${packages[*]}" >&2
  fi
fi

scripts/install.sh dev,train,postgres,mysql,keyring

run() {
  echo "+ $*" >&2
  "$@"
}
run .venv/bin/ruff format --check .
run .venv/bin/ruff check .
run .venv/bin/lint-imports --verbose >/dev/null || { .venv/bin/lint-imports; exit 1; }
run .venv/bin/mypy
run .venv/bin/pytest -m "not slow" "$@"
