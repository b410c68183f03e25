"""``unison3d train``: train from a config, or continue a training."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from unison3d.cli.configs import (
    add_config_arguments,
    make_runner,
    read_config,
    settings_explained,
)
from unison3d.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'train',
        parents=[common],
        help='train a model from a config',
        description='Train a model. Several processes: tools/dist_train.sh CONFIG GPUS.',
    )
    add_config_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from a checkpoint; without a name, from the newest in the work folder',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: bfloat16, or float16 on a GPU that has no bfloat16',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='multiply the learning rate by the scenes per step, of all processes, over '
        'auto_scale_lr.base_batch_size',
    )
    parser.add_argument('--seed', type=int, help='default: the one in the config')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train."""
    config = read_config(args, ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'))
    if args.resume is not None:
        config.resume = True
        config.load_from = None if args.resume == 'auto' else args.resume
    if args.seed is not None:
        config.randomness = {**config.get('randomness', {}), 'seed': args.seed}
    if args.auto_scale_lr:
        _scale_learning_rate(config)
    if args.amp:
        _use_mixed_precision(config)
    runner = make_runner(config)
    with settings_explained(config):
        runner.train()

    from mmengine.dist import is_main_process

    from unison3d.engine.processes import leave_process_group

    if is_main_process():
        weights = find_weights(runner)
        print(f'Written to {weights or runner.work_dir}.')
        if weights is not None:
            print(
                f'Next: unison3d test {shlex.quote(str(args.config))} {shlex.quote(str(weights))}'
            )
    leave_process_group()
    return 0


def find_weights(runner: Runner) -> Path | None:
    """What a finished run has to show: the exported weights, else its newest checkpoint."""
    from unison3d.engine.runner import latest_checkpoint

    for hook in runner.cfg.get('custom_hooks') or []:
        if hook.get('type') in ('ExportWeightsHook', 'unison3d.ExportWeightsHook'):
            path = Path(runner.work_dir) / hook.get('filename', 'weights.safetensors')
            if path.is_file():
                return path
    return latest_checkpoint(runner.work_dir)


def _scale_learning_rate(config: Config) -> None:
    settings = config.get('auto_scale_lr')
    if not isinstance(settings, dict) or not settings.get('base_batch_size'):
        raise ConfigError(
            f'{config.filename}: --auto-scale-lr needs the number of scenes per step that the '
            'learning rate is made for, and auto_scale_lr.base_batch_size is missing. Add '
            'auto_scale_lr = dict(base_batch_size=N).'
        )
    config.auto_scale_lr.enable = True


def _use_mixed_precision(config: Config) -> None:
    import torch
    from mmengine.optim import AmpOptimWrapper, ApexOptimWrapper, OptimWrapper

    from unison3d.engine import BFloat16OptimWrapper
    from unison3d.registry import OPTIM_WRAPPERS

    name = config.optim_wrapper.get('type', 'OptimWrapper')
    wrapper = OPTIM_WRAPPERS.get(name) if isinstance(name, str) else name
    if wrapper in (AmpOptimWrapper, ApexOptimWrapper, BFloat16OptimWrapper):
        return
    if wrapper is not OptimWrapper:
        raise ConfigError(
            f'{config.filename}: --amp would put a wrapper for mixed precision in the place of '
            f'optim_wrapper.type, which is {name}, expected OptimWrapper. Leave --amp out, and let '
            f'{name} do it, as BFloat16OptimWrapper does.'
        )
    on_gpu = torch.cuda.is_available()
    if on_gpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        config.optim_wrapper.type = 'AmpOptimWrapper'
        config.optim_wrapper.setdefault('loss_scale', 'dynamic')
    else:
        config.optim_wrapper.type = 'BFloat16OptimWrapper'
