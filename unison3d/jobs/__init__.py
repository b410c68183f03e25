"""Jobs of many equal units, such as one scan each, that can be killed and started again.

What is done with a unit is a :class:`Work`; who does it is a :class:`Crew`: this process, a pool of
local processes, or Ray. Which crew it is makes no difference to what is written.
"""

from unison3d.jobs.records import Records, only_job, remove_leftovers
from unison3d.jobs.run import Crew, run_units
from unison3d.jobs.work import Outcome, Work, attempt

__all__ = [
    'Crew',
    'Outcome',
    'Records',
    'Work',
    'attempt',
    'only_job',
    'remove_leftovers',
    'run_units',
]
