#!/usr/bin/env bash
# Make .venv and install QueryForge into it, once for each set of requirements. Called by start.sh and test.sh.
#
#   scripts/install.sh [EXTRAS]        for example: scripts/install.sh dev,train
#
# Needs Python 3.11 or newer, and a C/C++ compiler with CMake's needs (gcc, g++, make) the first time, when the engine
# that runs the model on this machine is compiled for its processor.
set -euo pipefail
cd "$(dirname "$0")/.."

extras="${1:-}"
stamp=".venv/installed-${extras//,/-}"
wanted="$(cat pyproject.toml constraints.txt scripts/install.sh | sha256sum | cut -d' ' -f1)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && [ -x .venv/bin/queryforge ]; then
  exit 0
fi

say() { printf '%s\n' "$*" >&2; }

# Long steps of pip say nothing for minutes; show that they go on.
with_clock() {
  local title="$1"
  shift
  local log started=$SECONDS
  log="$(mktemp)"
  "$@" >"$log" 2>&1 &
  local pid=$!
  trap 'kill "$pid" 2>/dev/null; rm -f "$log"; exit 130' INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    if [ -t 2 ]; then
      printf '\r%s ... %d s ' "$title" $((SECONDS - started)) >&2
    elif [ $(((SECONDS - started) % 30)) = 29 ]; then
      say "$title ... $((SECONDS - started)) s"
    fi
    sleep 1
  done
  trap - INT TERM
  if ! wait "$pid"; then
    say ""
    tail -n 30 "$log" >&2
    rm -f "$log"
    say "$title failed; the last lines are above."
    return 1
  fi
  rm -f "$log"
  if [ -t 2 ]; then printf '\r' >&2; fi
  say "$title: done in $((SECONDS - started)) s"
}

python="${PYTHON:-python3}"
if ! command -v "$python" >/dev/null || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "QueryForge needs Python 3.11 or newer; '$python' is not. Install it, or set PYTHON to one that is."
  exit 2
fi
if ! command -v g++ >/dev/null && ! [ -d .venv/lib/python3*/site-packages/llama_cpp ]; then
  say "A C++ compiler is needed once, to build the engine that runs the model. On Debian: apt-get install g++ make"
  exit 2
fi

[ -x .venv/bin/pip ] || with_clock "Creating .venv" "$python" -m venv .venv
pip=(.venv/bin/pip --disable-pip-version-check install --quiet --constraint constraints.txt)
if ! .venv/bin/python -c 'import llama_cpp' 2>/dev/null; then
  export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
  export CMAKE_ARGS="${CMAKE_ARGS:--DLLAVA_BUILD=OFF}"
  if [ "$(uname -m)" = x86_64 ]; then
    # Some virtual machines announce AMX tiles and then crash on them; a small model is as fast without. A build kept
    # in pip's cache may have them, so none is taken from there.
    export CFLAGS="${CFLAGS:-} -mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
    export CXXFLAGS="${CXXFLAGS:-} -mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
  fi
  with_clock "Compiling llama.cpp, the engine that runs the model (5 to 10 minutes on 2 cores, only once)" "${pip[@]}" \
    --no-cache-dir --no-binary llama-cpp-python llama-cpp-python
fi
case ",$extras," in
  *,train,*) with_clock "Installing PyTorch" "${pip[@]}" torch ;;
esac
with_clock "Installing QueryForge${extras:+ with $extras}" "${pip[@]}" --editable ".${extras:+[$extras]}"
printf '%s\n' "$wanted" >"$stamp"
