#!/usr/bin/env bash
# Train on a Slurm cluster, one task per GPU. Run it where every node sees the same files.
#
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]
#
# Environment: GPUS (8) in all, GPUS_PER_NODE (8), CPUS_PER_TASK (5), SRUN_ARGS (further arguments of
# srun, separated by spaces), PYTHON (python).
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]" >&2
    exit 2
fi
partition=$1
job_name=$2
config=$3
work_dir=$4
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
    "${PYTHON:-python}" -u "$tools/train.py" "$config" --work-dir "$work_dir" --launcher slurm "${@:5}"
