"""State of parameter schedulers: a list of them, or lists by the name of an optimizer."""

from __future__ import annotations

from typing import Any

from unison3d.errors import CheckpointError

__all__ = ['set_states', 'states_of']


def states_of(schedulers: Any) -> Any:
    """The states, in the same containers."""
    if isinstance(schedulers, dict):
        return {name: states_of(group) for name, group in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers]


def set_states(schedulers: Any, states: Any) -> None:
    """The inverse of :func:`states_of`.

    Raises:
        CheckpointError: another number of schedulers.
    """
    if isinstance(schedulers, dict):
        for name, group in schedulers.items():
            set_states(group, states[name])
        return
    if len(schedulers) != len(states):
        raise CheckpointError(
            f'The checkpoint has {len(states)} parameter schedulers, the config '
            f'{len(schedulers)}. Resume with the config of the run.'
        )
    for scheduler, state in zip(schedulers, states, strict=True):
        scheduler.load_state_dict(state)
