"""``unison3d infer``: segment a scan, or many, and save the results."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from unison3d.cli.engine_option import add_engine_option
from unison3d.cli.infer_tiles import add_tile_options, check_tile_options, run_tiles
from unison3d.cli.job_options import (
    add_job_options,
    is_many,
    refuse_job_options,
    refuse_places,
)
from unison3d.cli.prompt_options import (
    add_prompt_options,
    add_word_options,
    make_boxes,
    make_click_texts,
    make_vocabulary,
)
from unison3d.cli.segment_scan import ScanQuestions, segment_scan
from unison3d.errors import ConfigError

if TYPE_CHECKING:
    from unison3d.structures import Click

CLOSED_SET = ('panoptic', 'semantic', 'instance')
# The option that carries the prompts of a task. Only the first two cannot do without.
PROMPTED = {
    'interactive': '--click or --box',
    'referring': '--text',
    'open_vocabulary': '--vocabulary',
}
TASKS = (*CLOSED_SET, *PROMPTED)
# Named here as well, so that --help needs no torch.
EXPORTS = ('glb', 'scannet', 'coco', 'semantickitti', 'crops')

_NUMBER = r'[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?'
_CLICK = re.compile(rf'(?:(?P<sign>[-+])(?P<object>\d+):)?(?P<xyz>{_NUMBER}(?:,{_NUMBER}){{2}})')


class ClickArgument(NamedTuple):
    """One ``--click``: its place, its sign, and the object it adds to (None is a new object)."""

    position: tuple[float, float, float]
    positive: bool
    object: int | None


def add_parser(verbs: argparse._SubParsersAction, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        'infer',
        parents=[common],
        help='segment a scan, or all scans of a folder or a list',
        description='Segment a scan and write a coloured PLY, an NPZ and a JSON summary. Of a '
        'folder or a list of scans each gets a folder of its own in --out, which also holds '
        'summary.json and summary.csv; scans that are done are left alone, so an interrupted job '
        'goes on where it stopped, and the exit status is 3 if any failed (docs/fleets.md).',
    )
    parser.add_argument(
        'scan',
        metavar='SCAN',
        help='.ply, .pcd, .las, .laz, .e57, .obj, .glb, .gltf, .npy, .npz, .bin, ScanNet folder, '
        'or a folder of depth images with poses (docs/cameras.md), .sens; or many: any other '
        'folder, with the folders in it, or a .txt file with one path per line',
    )
    parser.add_argument(
        '--out', type=Path, help='folder for the results. Default: work_dirs/infer/<name of SCAN>'
    )
    tasks = parser.add_argument_group('what to find')
    tasks.add_argument(
        '--task',
        nargs='+',
        choices=TASKS,
        metavar='TASK',
        help=f'one or more of: {", ".join(TASKS)}. Default: panoptic, semantic, instance, and '
        'each of the others that has its prompts',
    )
    tasks.add_argument(
        '--click',
        action='append',
        type=parse_click,
        default=[],
        metavar='X,Y,Z',
        help='a point on an object, in the coordinates of the file. Each starts a new '
        'object, numbered from 0; +0:X,Y,Z adds a click to object 0 and -0:X,Y,Z says that a '
        'point does not belong to it. Several may follow one --click',
    )
    add_prompt_options(tasks)
    tasks.add_argument(
        '--text',
        nargs='+',
        action='extend',
        default=[],
        metavar='SENTENCE',
        help='sentences that describe an object, such as "the chair next to the table"',
    )
    add_word_options(tasks)
    _add_capture_options(parser)
    add_job_options(
        parser.add_argument_group('folders and lists of scans'), 'one per GPU, 1 without'
    )
    add_tile_options(parser.add_argument_group('scans larger than memory'))
    running = parser.add_argument_group('how to run')
    running.add_argument('--weights', type=Path, help='default: the weights that ship')
    running.add_argument(
        '--device', default='auto', help='auto, cpu, cuda, cuda:1, mps. Default: auto'
    )
    running.add_argument('--seed', type=int, default=0, help='default: 0')
    add_engine_option(running)
    running.add_argument(
        '--on-bad',
        choices=('raise', 'drop'),
        default='raise',
        help='points that are not finite: stop, or leave them out. Default: raise',
    )
    running.add_argument(
        '--scale',
        type=float,
        default=1.0,
        help='metres per unit of the file, 0.001 for a scan in millimetres. Clicks and results '
        'stay in the unit of the file. Default: 1',
    )
    running.add_argument(
        '--num-features',
        type=int,
        metavar='N',
        help='numbers per point of a .bin scan, 4 for KITTI, 5 for nuScenes. Default: 6, '
        'x y z r g b',
    )
    running.add_argument(
        '--export',
        nargs='+',
        choices=EXPORTS,
        default=[],
        metavar='FORMAT',
        help=f'write the result in further formats as well, one or more of: {", ".join(EXPORTS)}',
    )
    running.add_argument(
        '--picture', action='store_true', help='draw all answers into overview.png as well'
    )
    running.add_argument('--overwrite', action='store_true', help='replace results in --out')
    running.add_argument('--json', action='store_true', help='print one JSON object, no prose')
    parser.set_defaults(run=run)


def _add_capture_options(parser: argparse.ArgumentParser) -> None:
    captures = parser.add_argument_group('folders of depth images')
    captures.add_argument(
        '--depth-scale',
        type=float,
        metavar='METRES',
        help='metres per unit of the depth images. Default: that of the layout, mostly 0.001',
    )
    captures.add_argument(
        '--up',
        choices=('auto', 'x', '-x', 'y', '-y', 'z', '-z'),
        help='direction of up in the world of the poses; write --up=-y. Default: auto, an estimate',
    )
    captures.add_argument(
        '--every', type=int, metavar='N', help='use every N-th frame. Default: about 300 in all'
    )
    captures.add_argument(
        '--max-depth',
        type=float,
        metavar='METRES',
        help='leave out what is measured farther away. Default: 5',
    )
    captures.add_argument(
        '--fusion-voxel', type=float, metavar='METRES', help='voxels of the fusion. Default: 0.02'
    )


def capture_options(args: argparse.Namespace) -> dict[str, object]:
    """Those options of the fusion that were given."""
    options = {
        'depth_scale': args.depth_scale,
        'up': args.up,
        'every': args.every,
        'max_depth': args.max_depth,
        'voxel_size': args.fusion_voxel,
    }
    return {name: value for name, value in options.items() if value is not None}


def parse_click(text: str) -> ClickArgument:
    """Read ``X,Y,Z``, ``+K:X,Y,Z`` or ``-K:X,Y,Z``."""
    match = _CLICK.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a click; expected X,Y,Z in the coordinates of the file, such as '
            '1.2,0.4,0.5, or +0:X,Y,Z or -0:X,Y,Z for a further click on object 0'
        )
    position = tuple(float(part) for part in match['xyz'].split(','))
    if not all(math.isfinite(value) for value in position):
        raise argparse.ArgumentTypeError(f'{text!r} holds a number that is too large')
    owner = None if match['object'] is None else int(match['object'])
    return ClickArgument(position, match['sign'] != '-', owner)


def attach_clicks(argv: Sequence[str]) -> list[str]:
    """Write ``--click A B`` as ``--click=A --click=B``.

    argparse takes ``-1.5,0,2`` and ``-0:1,2,3`` for options unless an equals sign ties them.
    """
    attached: list[str] = []
    after_click = False
    for word in argv:
        if word == '--click':
            after_click = True
            attached.append(word)
        elif after_click and _CLICK.fullmatch(word.strip()):
            if attached[-1] == '--click':
                attached.pop()
            attached.append(f'--click={word}')
        else:
            after_click = False
            attached.append(word)
    return attached


def count_clicked(arguments: Sequence[ClickArgument]) -> int:
    """Objects that plain clicks start."""
    return sum(argument.object is None for argument in arguments)


def make_clicks(arguments: Sequence[ClickArgument], num_boxes: int = 0) -> list[Click]:
    """Number the objects of the clicks; those of boxes follow.

    Raises:
        ConfigError: a further click names an object that no plain click or box has started.
    """
    from unison3d.structures import Click

    num_objects = count_clicked(arguments) + num_boxes
    clicks, next_object = [], 0
    for argument in arguments:
        owner = argument.object
        if owner is None:
            owner, next_object = next_object, next_object + 1
        elif owner >= num_objects:
            raise ConfigError(
                f'--click: object {owner} does not exist, {num_objects} were started by plain '
                'clicks and boxes, and they count from 0. Start an object with X,Y,Z first.'
            )
        clicks.append(Click(argument.position, positive=argument.positive, object=owner))
    return clicks


def choose_tasks(args: argparse.Namespace) -> list[str]:
    """The tasks to run, after checking that every prompt is used and every task has its prompt.

    Raises:
        ConfigError: a task without its prompts, or prompts without their task.
    """
    given = {
        'interactive': bool(args.click or args.box),
        'referring': bool(args.text),
        'open_vocabulary': args.vocabulary is not None,
    }
    if args.task is None:
        return [*CLOSED_SET, *(task for task, present in given.items() if present)]
    for task, option in PROMPTED.items():
        if task in args.task and not given[task] and task != 'open_vocabulary':
            raise ConfigError(f'--task {task} needs prompts: add {option}.')
        if task not in args.task and given[task]:
            raise ConfigError(f'{option} is given, but --task does not list {task}: add it.')
    return list(dict.fromkeys(args.task))


def run(args: argparse.Namespace) -> int:
    """Segment, save, report."""
    tasks = choose_tasks(args)
    questions = ScanQuestions(
        tasks=tasks,
        clicks=make_clicks(args.click, len(args.box)),
        boxes=make_boxes(args.box, count_clicked(args.click)),
        click_texts=make_click_texts(args.click_text),
        exclusive=args.exclusive,
        texts=args.text,
        vocabulary=make_vocabulary(args.vocabulary),
        heat_map=args.heat_map or (),
        on_bad=args.on_bad,
        scale=args.scale,
        num_features=args.num_features,
        capture=capture_options(args),
        export=args.export,
        picture=args.picture,
        seed=args.seed,
    )
    out = default_out(args.scan) if args.out is None else args.out
    many = is_many(args.scan)
    check_tile_options(args, many)
    if many:
        refuse_places(args)
        from unison3d.cli.infer_many import run_many

        return run_many(args, out, questions)
    refuse_job_options(args)
    if args.num_features is not None:
        check_num_features(args.scan)
    if args.tile is not None and (status := run_tiles(args, out, questions)) is not None:
        return status
    check_out_folder(out, args.overwrite)

    from unison3d.io.files import check_file

    # Seconds before the weights are there: most mistakes are a path.
    if not Path(args.scan).is_dir():
        check_file(args.scan)

    start = time.perf_counter()
    from unison3d.apis import Segmenter
    from unison3d.apis.exports import check_exports

    check_exports(args.export, tasks)
    # With --json the output is one object and nothing else, so what is logged goes elsewhere.
    with redirect_stdout(sys.stderr if args.json else sys.stdout):
        segmenter = Segmenter.from_pretrained(args.weights, device=args.device)
        start_up = time.perf_counter() - start
        done = segment_scan(segmenter, args.scan, out, questions, args.overwrite)
    seconds = {'start_up': round(start_up, 3), 'segmentation': round(done.seconds, 3)}
    if args.json:
        summaries = [path for path in done.paths if path.name == 'result.json']
        content = json.loads(summaries[0].read_text(encoding='utf-8')) if summaries else {}
        files = [str(path) for path in done.paths]
        json.dump({'files': files, 'seconds': seconds, 'summary': content}, sys.stdout, indent=2)
        print()
        return 0
    print(done.result.summary())
    print(f'\nStart-up {seconds["start_up"]:.1f} s, segmentation {seconds["segmentation"]:.1f} s.')
    print('Written:')
    for path in done.paths:
        print(f'  {path}')
    return 0


def default_out(scan: str) -> Path:
    """``work_dirs/infer/<name>`` for a scan, without the ending of a file."""
    path = Path(scan)
    # A folder may be given as "." and may have dots in its name.
    return Path('work_dirs') / 'infer' / (path.resolve().name if path.is_dir() else path.stem)


def check_num_features(scan: str) -> None:
    """Refuse ``--num-features`` where it would be ignored.

    Raises:
        ConfigError: the scan is no ``.bin`` file.
    """
    if Path(scan).suffix.lower() != '.bin':
        raise ConfigError(f'--num-features is for .bin scans and {scan} is none. Leave it out.')


def check_out_folder(out: Path, overwrite: bool) -> None:
    """Refuse early what would fail, or destroy something, after minutes of work.

    Raises:
        ConfigError: ``out`` is a file, or a folder with content while ``overwrite`` is off.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f'--out {out} is a file, expected a folder. Choose another name.')
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise ConfigError(
            f'--out {out} is not empty. Pass --overwrite to replace results, or choose another '
            'folder.'
        )
