#!/usr/bin/env bash
# All GPU rows, on a machine with a CUDA device and no network.
#
#   scripts/bench/gpu.sh [WHEELS] [OUT]
#
# WHEELS: folder with wheels of what the machine's Python lacks (pip download --no-deps …); may be absent.
# OUT:    folder for bench.json and the log (default: bench-gpu). One call stays within ten minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
wheels=${1:-wheels}
out=${2:-bench-gpu}
python=${PYTHON:-python3}
mkdir -p "$out"
if compgen -G "$wheels/*.whl" >/dev/null; then
    site=$(mktemp -d)
    "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$wheels"/*.whl
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
"$python" -c 'import torch, sys; sys.exit(0 if torch.cuda.is_available() else "no CUDA device on this machine")'
timeout 590 "$python" scripts/bench/gpu.py --json "$out/bench.json" 2>&1 | tee "$out/log"
