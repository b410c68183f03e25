#!/usr/bin/env bash
# Train with several processes, one per GPU; on a machine without GPUs, GPUS is their number on CPUs.
#
#   tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
#
# Several machines, the same command on each: NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 (rank 1 on
# the second). PORT has to be free; two runs on one machine need two. PYTHON names the interpreter.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of tools/train.py]" >&2
    exit 2
fi
config=$1
gpus=$2
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}" \
    "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$gpus" \
    "$tools/train.py" "$config" --launcher pytorch "${@:3}"
