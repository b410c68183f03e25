"""The end of a run of several processes."""

from __future__ import annotations

from torch import distributed

__all__ = ['leave_process_group']


def leave_process_group() -> None:
    """Wait for the other processes and end the group; nothing where there is none.

    A process that goes while another still talks to it can end in an abort, which launchers take
    for a failure of the run. Only after success: one that has failed would be waited for.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
