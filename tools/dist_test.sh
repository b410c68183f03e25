#!/usr/bin/env bash
# Measure with several processes, one per GPU; on a machine without GPUs, GPUS is their number on
# CPUs.
#
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
#
# Environment: NNODES, NODE_RANK, MASTER_ADDR, PORT and PYTHON, as in dist_train.sh.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of tools/test.py]" >&2
    exit 2
fi
config=$1
checkpoint=$2
gpus=$3
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}" \
    "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$gpus" \
    "$tools/test.py" "$config" "$checkpoint" --launcher pytorch "${@:4}"
