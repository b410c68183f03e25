"""The shell scripts of tools/: what they start, and one training and test with two processes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO_ROOT
from safetensors.numpy import load_file

TOOLS = REPO_ROOT / 'tools'
SCRIPTS = ('dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh')
SECONDS = 300  # A hang, not a slow machine.
CONFIG = """
custom_imports = dict(imports=['tests.cli.toy_parts'])
model = dict(type='CliToyModel')
train_dataloader = dict(
    batch_size=1, num_workers=0, dataset=dict(type='CliToyData'),
    sampler=dict(type='ResumableSampler'), collate_fn=dict(type='default_collate'))
train_cfg = dict(by_epoch=False, max_iters=2)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
auto_scale_lr = dict(base_batch_size=1)
test_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='CliToyData'),
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='default_collate'))
test_cfg = dict()
test_evaluator = [dict(type='CliToyMetric')]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2))
custom_hooks = [dict(type='ExportWeightsHook')]
randomness = dict(seed=1)
default_scope = 'unison3d'
"""

pytestmark = pytest.mark.skipif(shutil.which('bash') is None, reason='no bash here')


def run(script: str, *words: object, **environment: object) -> subprocess.CompletedProcess[str]:
    hidden = ('GPUS', 'GPUS_PER_NODE', 'CPUS_PER_TASK', 'SRUN_ARGS', 'NNODES', 'NODE_RANK', 'PORT')
    inherited = {key: value for key, value in os.environ.items() if key not in hidden}
    return subprocess.run(
        ['bash', str(TOOLS / script), *map(str, words)],
        env={**inherited, **{key: str(value) for key, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.fixture
def recorder(tmp_path) -> Path:
    """A program that writes its arguments and PYTHONPATH to ``seen.json`` beside it."""
    path = tmp_path / 'bin' / 'srun'
    path.parent.mkdir()
    path.write_text(
        f'#!{sys.executable}\n'
        'import json, os, pathlib, sys\n'
        'seen = {"words": sys.argv[1:], "path": os.environ["PYTHONPATH"]}\n'
        'pathlib.Path(__file__).with_name("seen.json").write_text(json.dumps(seen))\n'
    )
    path.chmod(0o755)
    return path


def seen(recorder: Path) -> dict:
    return json.loads((recorder.parent / 'seen.json').read_text())


@pytest.mark.parametrize('script', SCRIPTS)
def test_scripts_are_bash_and_say_how_they_are_used(script):
    assert subprocess.run(['bash', '-n', str(TOOLS / script)]).returncode == 0
    assert os.access(TOOLS / script, os.X_OK)
    outcome = run(script, 'only_one')
    assert outcome.returncode == 2
    assert outcome.stderr.startswith('usage: ')


@pytest.mark.parametrize(
    ('script', 'given', 'started'),
    [
        ('slurm_train.sh', ('c.py', 'my work'), ['train.py', 'c.py', '--work-dir', 'my work']),
        ('slurm_test.sh', ('c.py', 'my w.pth'), ['test.py', 'c.py', 'my w.pth']),
    ],
)
def test_slurm(recorder, script, given, started):
    path = os.pathsep.join([str(recorder.parent), os.environ['PATH']])
    further = ('--cfg-options', 'a=[1, 2]')
    settings = {'GPUS': 16, 'CPUS_PER_TASK': 3, 'SRUN_ARGS': '--qos=high -x node7', 'PYTHON': 'py'}
    outcome = run(
        script, 'gpu', 'a job', *given, *further, PATH=path, PYTHONPATH='/own', **settings
    )
    assert outcome.returncode == 0, outcome.stderr
    words = seen(recorder)['words']
    at = words.index('py')
    assert words[:at] == [
        *('-p', 'gpu', '--job-name=a job', '--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8'),
        *('--cpus-per-task=3', '--kill-on-bad-exit=1', '--qos=high', '-x', 'node7'),
    ]
    script_started, *arguments = words[at + 2 :]
    assert words[at + 1] == '-u'
    assert [Path(script_started).name, *arguments] == [*started, '--launcher', 'slurm', *further]
    assert seen(recorder)['path'] == f'{TOOLS}/..:/own'


def test_several_machines(recorder):
    settings = {'NNODES': 2, 'NODE_RANK': 1, 'MASTER_ADDR': '10.0.0.1', 'PORT': 1234}
    outcome = run('dist_train.sh', 'c.py', 4, '--resume', PYTHON=recorder, **settings)
    assert outcome.returncode == 0, outcome.stderr
    assert seen(recorder)['words'] == [
        *('-m', 'torch.distributed.run', '--nnodes=2', '--node-rank=1', '--master-addr=10.0.0.1'),
        *('--master-port=1234', '--nproc-per-node=4', str(TOOLS / 'train.py'), 'c.py'),
        *('--launcher', 'pytorch', '--resume'),
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def test_two_processes_train_and_test(tmp_path):
    config, work = tmp_path / 'toy.py', tmp_path / 'work'
    config.write_text(CONFIG)
    settings = {'PYTHON': sys.executable, 'CUDA_VISIBLE_DEVICES': '', 'PYTHONPATH': ''}
    words = (config, 2, '--work-dir', work, '--auto-scale-lr')
    outcome = run('dist_train.sh', *words, PORT=free_port(), **settings)
    assert outcome.returncode == 0, outcome.stdout[-2000:] + outcome.stderr
    assert outcome.stdout.count('Written to') == 1
    (scalars,) = work.glob('*/vis_data/scalars.json')
    log = [json.loads(line) for line in scalars.read_text().splitlines()]
    # Two processes with a scene each, where the rate is made for one.
    assert [entry['lr'] for entry in log] == pytest.approx([0.02, 0.02])

    words = (config, work / 'weights.safetensors', 2, '--work-dir', work, '--out', tmp_path / 'out')
    outcome = run('dist_test.sh', *words, PORT=free_port(), **settings)
    assert outcome.returncode == 0, outcome.stdout[-2000:] + outcome.stderr
    metrics = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert metrics['mean'] == pytest.approx(mean_answer(work / 'weights.safetensors'))


def mean_answer(weights: Path) -> float:
    """What the model of the toy says on average to its six samples, (0, 1) to (5, 1)."""
    state = load_file(weights)
    return float(state['net.weight'][0] @ [2.5, 1] + state['net.bias'][0])
