"""Classes that are reported together: head, common and tail; base and novel."""

from __future__ import annotations

from pathlib import Path

from unison3d.errors import VocabularyError
from unison3d.io import read_json
from unison3d.structures.label_space import LabelSpace, frequency_groups

__all__ = ['base_classes', 'semantic_groups', 'thing_groups']

_LABELS = Path(__file__).parents[1] / 'assets' / 'labels'


def semantic_groups(space: LabelSpace) -> dict[str, tuple[int, ...]]:
    """Semantic ids by how often a class occurs; empty for label spaces without such groups.

    ScanNet200 has 66 head, 68 common and 66 tail classes.
    """
    return frequency_groups(space) if _table('frequency_groups', space).exists() else {}


def thing_groups(space: LabelSpace, *, validation: bool = False) -> dict[str, tuple[int, ...]]:
    """Thing labels (semantic id minus the number of stuff classes) of each group.

    ScanNet200 has 64 head, 68 common and 66 tail classes with instances, and 51 base and 147 novel
    ones. Label spaces without groups give an empty dict.

    Args:
        space: of the classes.
        validation: only classes that occur in the validation scans, as the official evaluation of
            ScanNet200 has it (64, 65, 58; 50 and 137), and a group ``validation`` of all of them.
            On these scans it makes no difference.
    """
    first = len(space.stuff)
    groups = {
        name: tuple(i - first for i in ids if i >= first)
        for name, ids in semantic_groups(space).items()
    }
    if _table('base_classes', space).exists():
        base = {space.index(name) - first for name in base_classes(space)}
        things = range(len(space.things))
        groups['base'] = tuple(sorted(base))
        groups['novel'] = tuple(i for i in things if i not in base)
    path = _table('absent_from_validation', space)
    if validation and path.exists():
        absent = {space.index(name) - first for name in read_json(path)['absent']}
        groups['validation'] = tuple(range(len(space.things)))
        groups = {n: tuple(i for i in ids if i not in absent) for n, ids in groups.items()}
    return groups


def base_classes(space: LabelSpace) -> tuple[str, ...]:
    """Names of the base classes. Different papers use different lists: print it with the number.

    Raises:
        VocabularyError: there is no such list for this label space.
    """
    path = _table('base_classes', space)
    if not path.exists():
        raise VocabularyError(
            f'Label space {space.name} has no list of base classes; scannet200 has.'
        )
    return tuple(read_json(path)['base'])


def _table(name: str, space: LabelSpace) -> Path:
    return _LABELS / f'{space.name}_{name}.json'
