"""``unison3d doctor``: what this machine offers, and what is missing with its fix."""

from __future__ import annotations

import argparse
import json
import sys

_MARKS = {'ok': ' ok ', 'missing': 'FAIL', 'optional': ' -- '}


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'doctor',
        parents=[common],
        help='check the installation',
        description='Print versions, device, the engine of every operation and the extras, and '
        'what is missing with its fix. The exit status is 4 when something is missing that the '
        'core needs.',
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object, no prose')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine and report."""
    from unison3d.environment import as_json, examine
    from unison3d.errors import MissingDependencyError

    checks = examine()
    report = as_json(checks)
    if args.json:
        json.dump(report, sys.stdout, indent=2)
        print()
    else:
        width = max(len(check.name) for check in checks)
        section = ''
        for check in checks:
            if check.section != section:
                section = check.section
                print(f'{section}:')
            print(f'[{_MARKS[check.status]}] {check.name:{width}s}  {check.value}')
            if check.fix:
                print(f'       {"":{width}s}  fix: {check.fix}')
        print('Everything that the core needs is here.' if report['ok'] else 'See the fixes above.')
    return 0 if report['ok'] else MissingDependencyError.exit_code
