"""The worlds: the first stays as it was, the second has joined rooms, the third is apart."""

from __future__ import annotations

import csv
import hashlib
from importlib import resources

import numpy as np
import pytest

from unison3d.errors import ConfigError
from unison3d.synth.apartments import generate_apartment
from unison3d.synth.catalog import ALL_FURNITURE, CLASSES, UNLABELLED, build
from unison3d.synth.floorplan import inside
from unison3d.synth.footprints import corners, footprint
from unison3d.synth.plans import draw_plan, joint_outline, tiles
from unison3d.synth.sample import make_scene
from unison3d.synth.shifted import generate_shifted
from unison3d.synth.shifted_furniture import BUILDERS

# Numbers are published on these rooms; another digest means that they are no longer comparable.
FIRST_WORLD = {
    0: '0ce1d7871c744cd6e1b316d0315d46d426638ce518d156a1751e465ef1afbe50',
    1: '557ac7d97262ff3c104206147214a67e40a147f672403c8740f05ab2bc35d70f',
    57: '8678592b427f17ac3cefac83f7d6f3b6987ab1f48ec7c9a9081652bc55f5157d',
}
SIZES = {'office': (2.8, 5.0), 'corridor': (1.2, 4.0), 'storage room': (2.5, 4.0)}
SIZES |= dict.fromkeys(('meeting room', 'copy room', 'bathroom', 'bedroom', 'kitchen'), (2.0, 4.0))
SIZES |= dict.fromkeys(('living room', 'closet room', 'laundry room'), (2.0, 4.0))


def digest(scene) -> str:
    out = hashlib.sha256()
    for name in ('points', 'colors', 'normals', 'semantic', 'instances', 'parts'):
        array = getattr(scene, name)
        out.update(name.encode())
        out.update(np.ascontiguousarray(array).tobytes() + str(array.dtype).encode())
    texts = [(s.text, tuple(s.targets), s.kind) for s in scene.sentences]
    labels = list(map(int, scene.instance_semantic))
    out.update(repr((scene.instance_names, labels, texts)).encode())
    return out.hexdigest()


@pytest.fixture(scope='module')
def apartment():
    return make_scene(1001, profile='rooms')


@pytest.mark.parametrize('seed', FIRST_WORLD)
def test_first_world_gives_the_arrays_that_numbers_are_published_on(seed):
    assert digest(make_scene(seed, profile='rooms-v1')) == FIRST_WORLD[seed]


def test_same_seed_same_apartment(apartment):
    assert digest(make_scene(1001, profile='rooms')) == digest(apartment)
    assert digest(make_scene(1002, profile='rooms')) != digest(apartment)


def test_parts_have_names(apartment):
    used = np.unique(apartment.parts[apartment.parts >= 0])
    assert used.tolist() == list(range(len(apartment.part_names)))
    assert all(apartment.part_names)
    assert {'body', 'leg', 'base', 'frame'} & set(apartment.part_names)
    chair = build('office chair', np.random.default_rng(0))
    assert {'base', 'seat', 'back'} <= set(chair.part_names)
    assert {'door', 'handle'} <= set(build('stove', np.random.default_rng(0)).part_names)


@pytest.mark.parametrize('name', [n for n, k in ALL_FURNITURE.items() if k.builder])
def test_every_kind_varies_and_names_its_parts(name):
    shapes = [build(name, np.random.default_rng(seed)) for seed in range(4)]
    for shape in shapes:
        assert np.isfinite(shape.size).all() and (shape.size > 0).all() and shape.size.max() < 5
        assert all(shape.part_names) and len(shape.part_names) == shape.part + 1
    rows = {str(shape.rows) + str(shape.attrs) for shape in shapes}
    assert len(rows) == len(shapes)


def test_labels_follow_the_public_label_table():
    ids = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
    text = (resources.files('unison3d') / 'assets/labels/scannetv2_categories.tsv').read_text()
    rows = csv.DictReader(
        [line for line in text.splitlines() if not line.startswith('#')], delimiter='\t'
    )
    public = {row['raw_category']: int(row['nyu40id'] or 0) for row in rows}
    from unison3d.synth.catalog_extra import EXTRA_ROWS

    checked = 0
    for name, label, _, _ in EXTRA_ROWS:
        if name in public:
            expected = CLASSES[ids.index(public[name])] if public[name] in ids else None
            assert label == expected, name
            checked += 1
    assert checked > 60


@pytest.mark.parametrize('seed', range(25))
def test_rooms_of_a_plan_are_apart_and_joined_by_doorways(seed):
    rng = np.random.default_rng(seed)
    plan = draw_plan(rng, 'office', 4, SIZES)
    area = 0.0
    for k, room in enumerate(plan):
        boxes = tiles(room.outline)
        area += sum((x1 - x0) * (y1 - y0) for x0, x1, y0, y1 in boxes)
        for other in plan[k + 1 :]:
            for a in boxes:
                for b in tiles(other.outline):
                    assert a[0] >= b[1] or b[0] >= a[1] or a[2] >= b[3] or b[2] >= a[3]
    joint = joint_outline(plan, set(range(len(plan))))
    x, y = joint.T
    assert 2.0 < float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2 < area * 1.1
    for room in plan:
        for child, i, s0, s1 in room.children:
            # The middle of the wall in a doorway belongs to the outline of the whole.
            middle = room.walls[i].at((s0 + s1) / 2, -plan[child].gap / 2)
            assert inside(joint, middle[None])[0]
            beside = room.walls[i].at(s1 + 0.05, -plan[child].gap / 2)
            assert not inside(joint, beside[None])[0]


def test_apartments_have_one_to_four_rooms_and_cover_the_classes():
    counts, labels, names = set(), set(), set()
    for seed in range(40):
        room = generate_apartment(seed)
        counts.add(sum(o.kind == 'ceiling' for o in room.objects))
        labels |= {o.semantic for o in room.objects}
        names |= {o.name for o in room.objects if o.name}
        for o in room.objects:
            assert o.parent < len(room.objects)
            if o.parent >= 0:
                host = room.objects[o.parent]
                assert np.hypot(o.pose.x - host.pose.x, o.pose.y - host.pose.y) < 3
    assert counts == {1, 2, 3, 4}
    assert labels >= set(range(UNLABELLED))
    assert len(names) > 110


def test_floor_furniture_stands_inside_the_plan():
    for seed in range(8):
        room = generate_apartment(seed)
        for o in room.objects:
            if o.name and o.parent < 0 and o.pose.z == 0 and o.kind not in ('door', 'counter'):
                if ALL_FURNITURE[o.kind].placement in ('floor', 'wall'):
                    box = footprint(o.shape, o.pose, -0.05)
                    assert inside(room.polygon, corners(box)).all(), o.kind


def test_shifted_world_shares_names_but_no_builders():
    assert set(BUILDERS) <= set(ALL_FURNITURE)
    labels = {ALL_FURNITURE[name].semantic for name in BUILDERS}
    assert labels >= set(range(2, UNLABELLED))
    for name, builder in BUILDERS.items():
        assert builder.__module__.startswith('unison3d.synth.shifted_')
        assert builder is not ALL_FURNITURE[name].builder
    a, b = generate_shifted(3), generate_shifted(3)
    assert [o.pose for o in a.objects] == [o.pose for o in b.objects]
    assert len([o for o in a.objects if o.name]) > 4


def test_unknown_world_or_grammar_is_refused():
    with pytest.raises(ConfigError, match='profile'):
        make_scene(0, profile='castle')
    with pytest.raises(ConfigError, match='grammar'):
        make_scene(0, grammar='latin', max_points=5000)
