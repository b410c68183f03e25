"""What stands on the pages and no test runs there, each with the reason. All else is run.

An entry is a page (a glob), the beginning of what is not run there, or an option in it, and why.
One that fits nothing any more fails a test. Commands of ``unison3d`` are parsed all the same.
"""

from __future__ import annotations

LAUNCHED = 'tests/test_tools/test_launchers.py runs the scripts with two processes'
INSTALLS = 'installs packages'
CI = 'the script .ci/run runs it'
ELSEWHERE = 'another machine is needed'
RAY = 'tests/test_jobs/test_ray_data.py and tests/cli run this engine on small jobs'
MANY = 'the first command there with other options; tests/cli/test_infer_many.py and test_jobs'
BRIDGE = 'tools/test_bridge.sh runs tests/test_bridges with MMDetection3D installed'
LONG = 'a measurement of many minutes'
LICENCE = 'a download that has to be signed for'

NOT_RUN: list[tuple[str, str, str]] = [
    ('*', 'make demo', CI),
    ('*', 'make test', CI),
    ('*', 'make docs', CI),
    ('*', 'pip ', INSTALLS),
    ('*', 'python3 -m venv', INSTALLS),
    ('*', '.venv/bin/', INSTALLS),
    ('*', 'ssh ', ELSEWHERE),
    ('*', 'NNODES=2', ELSEWHERE),
    (
        '*',
        'GPUS=',
        'Slurm is needed; tests/test_tools/test_launchers.py looks at what would start',
    ),
    (
        '*',
        'tools/dist_',
        LAUNCHED,
    ),
    ('*', 'torchrun ', 'tests/test_engine/test_torchrun.py restarts a killed process that way'),
    ('*', '--engine ray', RAY),
    ('docs/mmdet3d.md', 'custom_imports', BRIDGE),
    ('docs/mmdet3d.md', '# their_data_our_model.py', BRIDGE),
    ('docs/mmdet3d.md', '# our_data_their_model.py', BRIDGE),
    ('docs/mmdet3d.md', '# their_weights.py', BRIDGE),
    ('docs/mmdet3d.md', 'from unison3d.bridges', BRIDGE),
    (
        'configs/oneformer3d/README.md',
        'unison3d test',
        'ScanNet is needed; tests/test_configs_oneformer3d.py builds this config and its parts',
    ),
    (
        'docs/checkpoints.md',
        'unison3d convert uniseg3d best.pth uniseg3d_full',
        'files of the release are needed; tests/cli/test_convert_config.py runs it on small ones',
    ),
    (
        'docs/mmdet3d.md',
        'unison3d convert mmdet3d-minkunet',
        'a download; tests/golden/test_mmdet3d_minkunet.py converts random weights of its names',
    ),
    ('configs/unified/README.md', 'python benchmarks/real_scans.py', LICENCE),
    ('data/scannet/README.md', 'python download-scannet.py', LICENCE),
    ('docs/large_scenes.md', 'python benchmarks/tiles.py', LONG),
    ('docs/speed.md', 'python benchmarks/infer.py', LONG),
    ('docs/fleets.md', 'unison3d infer my_scans/ --out out2/', MANY),
    ('docs/fleets.md', 'unison3d infer my_scans/ --out out/ -j 8', MANY),
    (
        'docs/open_vocabulary.md',
        'from unison3d.apis import Segmenter\nfrom unison3d.apis.external_names',
        'a CLIP model of 1.7 GB is needed; tests/test_vision runs it with a small one',
    ),
    (
        'docs/text.md',
        'from unison3d.models.text import ClipTextEncoder',
        'a published text tower is needed; tests/test_text runs a small one',
    ),
]
