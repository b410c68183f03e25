"""What a prediction takes on this machine, and where the time goes."""

from unison3d.bench.machine import Machine, machine_line
from unison3d.bench.prediction import Report, measure_prediction, measure_start_up, procedural_scan

__all__ = [
    'Machine',
    'Report',
    'machine_line',
    'measure_prediction',
    'measure_start_up',
    'procedural_scan',
]
