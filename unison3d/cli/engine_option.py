"""``--use-engine``: packages that are installed anyway, in place of our own code."""

from __future__ import annotations

import argparse

# Named here as well, so that --help needs no torch.
OPERATIONS = ('sparse', 'pooling', 'superpoints')


def add_engine_option(group: argparse._ActionsContainer) -> None:
    """Add the option to a verb."""
    group.add_argument(
        '--use-engine',
        action='append',
        type=parse_engine,
        default=[],
        metavar='OPERATION=ENGINE',
        help='compute an operation with another package, such as superpoints=segmentator; may be '
        f'given once for each of {", ".join(OPERATIONS)} (docs/engines.md)',
    )


def parse_engine(text: str) -> tuple[str, str]:
    """``'pooling=torch_scatter'`` as a pair."""
    operation, _, engine = text.partition('=')
    if operation not in OPERATIONS or not engine:
        raise argparse.ArgumentTypeError(
            f'{text!r}: expected OPERATION=ENGINE with an operation of {", ".join(OPERATIONS)}'
        )
    return operation, engine


def choose_engines(args: argparse.Namespace) -> None:
    """Do as the option says, where a verb has it and it was given.

    Raises:
        ConfigError: no such engine.
        MissingDependencyError: its package is not installed or does not load.
    """
    chosen = getattr(args, 'use_engine', None)
    if chosen:
        from unison3d.operations import set_engines

        set_engines(dict(chosen))
