"""The switch between what a transform should do and what the published code does."""

from __future__ import annotations

from typing import Literal

from unison3d.errors import ConfigError

Profile = Literal['corrected', 'published']


def check_profile(owner: object, profile: str) -> bool:
    """Whether the published behaviour is wanted.

    Raises:
        ConfigError: neither of the two profiles.
    """
    if profile not in ('corrected', 'published'):
        raise ConfigError(
            f'{type(owner).__name__}: profile is {profile!r}, expected "corrected" or "published".'
        )
    return profile == 'published'
