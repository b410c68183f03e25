#!/usr/bin/env bash
# Measure on a Slurm cluster, one task per GPU. Run it where every node sees the same files.
#
#   tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]
#
# Environment: GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS and PYTHON, as in slurm_train.sh.
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]" >&2
    exit 2
fi
partition=$1
job_name=$2
config=$3
checkpoint=$4
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
read -r -a srun_args <<< "${SRUN_ARGS:-}"

PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}" \
    srun -p "$partition" \
    --job-name="$job_name" \
    --gres="gpu:${GPUS_PER_NODE:-8}" \
    --ntasks="${GPUS:-8}" \
    --ntasks-per-node="${GPUS_PER_NODE:-8}" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${srun_args[@]+"${srun_args[@]}"} \
    "${PYTHON:-python}" -u "$tools/test.py" "$config" "$checkpoint" --launcher slurm "${@:5}"
