"""What an evaluation found, as a page to read and as data: ``report.md`` and ``report.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric

from unison3d.evaluation.metrics.common import SceneMetric, Table
from unison3d.io import atomic_write, write_json

__all__ = ['EvaluationReport', 'collect_report', 'write_report']

JSON_FILE, MARKDOWN_FILE = 'report.json', 'report.md'


@dataclass(frozen=True)
class SceneScores:
    """How one scene did.

    Attributes:
        index: place in the data set.
        name: of the scene.
        scores: per task, higher is better; tasks the scene says nothing about are left out.
    """

    index: int
    name: str
    scores: dict[str, float]

    @property
    def mean(self) -> float:
        """Mean over the tasks; nan without any."""
        values = list(self.scores.values())
        return sum(values) / len(values) if values else float('nan')


@dataclass(frozen=True)
class EvaluationReport:
    """Numbers, tables and scenes of one evaluation.

    Attributes:
        source: where the numbers come from, such as config and weights.
        numbers: what the metrics returned.
        tables: per class, name or kind.
        notes: sentences without which the numbers could be misread.
        scenes: every scene with a score, the worst first.
        pictures: per scene name, the file of its picture, relative to the report.
    """

    source: Mapping[str, str]
    numbers: Mapping[str, float]
    tables: Sequence[Table]
    notes: Sequence[str]
    scenes: Sequence[SceneScores]
    pictures: Mapping[str, str] = field(default_factory=dict)


def collect_report(
    metrics: Sequence[BaseMetric],
    numbers: Mapping[str, float],
    names: Sequence[str],
    source: Mapping[str, str],
) -> EvaluationReport:
    """Gather what metrics know after their evaluation.

    Metrics of other kinds than :class:`SceneMetric` have their numbers in the report, and no
    tables.

    Args:
        metrics: after ``evaluate``, in the process that has all results.
        numbers: what the evaluator returned.
        names: of the scenes, in the order of the data set.
        source: such as config and weights.
    """
    ours = [metric for metric in metrics if isinstance(metric, SceneMetric)]
    scores: list[dict[str, float]] = [{} for _ in names]
    for metric in ours:
        # A test that was cut short has scored the first scenes only.
        for scene, value in zip(scores, metric.report_scenes(), strict=False):
            if not math.isnan(value):
                scene[str(metric.prefix)] = value
    scenes = [SceneScores(i, name, scores[i]) for i, name in enumerate(names) if scores[i]]
    return EvaluationReport(
        source=dict(source),
        numbers=dict(numbers),
        tables=[table for metric in ours for table in _titled_tables(metric)],
        notes=list(dict.fromkeys(note for metric in ours for note in metric.report_notes())),
        scenes=sorted(scenes, key=lambda scene: (scene.mean, scene.index)),
    )


def _titled_tables(metric: SceneMetric) -> list[Table]:
    """Tables that say which metric they are of, where it is not the usual one."""
    if metric.prefix == metric.default_prefix:
        return metric.report_tables()
    return [
        replace(table, title=f'{table.title} ({metric.prefix})') for table in metric.report_tables()
    ]


def write_report(folder: str | Path, report: EvaluationReport) -> list[Path]:
    """Write both files, each complete or not at all.

    Returns:
        Their paths.
    """
    folder = Path(folder)
    markdown = folder / MARKDOWN_FILE
    with atomic_write(markdown, 'w') as file:
        file.write(_markdown(report))
    return [markdown, write_json(folder / JSON_FILE, _plain(report))]


def _plain(report: EvaluationReport) -> dict[str, Any]:
    return {
        'schema_version': 1,
        'source': report.source,
        'numbers': report.numbers,
        'notes': report.notes,
        'tables': [asdict(table) for table in report.tables],
        'scenes': [{**asdict(scene), 'mean': scene.mean} for scene in report.scenes],
        'pictures': report.pictures,
    }


def _markdown(report: EvaluationReport) -> str:
    parts = ['# Evaluation', '', *(f'- {key}: `{value}`' for key, value in report.source.items())]
    parts += ['', *_table(('number', 'value'), [(k, (v,)) for k, v in report.numbers.items()])]
    parts += [line for note in report.notes for line in ('', note)]
    for table in report.tables:
        title = table.title[:1].upper() + table.title[1:]
        parts += ['', f'## {title}', '']
        parts += _table(('', *table.columns), table.rows)
    parts += ['', '## Scenes, the worst first', '']
    tasks = sorted({task for scene in report.scenes for task in scene.scores})
    rows = [
        (s.name, (s.mean, *(s.scores.get(task, float('nan')) for task in tasks)))
        for s in report.scenes
    ]
    parts += _table(('scene', 'mean', *tasks), rows)
    for name, picture in report.pictures.items():
        parts += ['', f'### {name}', '', f'![{_escaped(name)}]({picture})']
    return '\n'.join(parts) + '\n'


def _table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> list[str]:
    lines = ['| ' + ' | '.join(head) + ' |', '| --- |' + ' ---: |' * (len(head) - 1)]
    for name, values in rows:
        cells = [_escaped(name), *(_number(value) for value in values)]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return lines


def _number(value: float) -> str:
    if math.isnan(value):
        return '-'
    return f'{value:.0f}' if value == int(value) and abs(value) > 1 else f'{value:.4f}'


def _escaped(name: str) -> str:
    return name.replace('|', '\\|').replace('\n', ' ')
