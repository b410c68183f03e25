"""The scenes that are open, shared by all tabs of the page."""

from __future__ import annotations

import threading

from unison3d.viewer.library import Library
from unison3d.viewer.session import SceneSession
from unison3d.viewer.shared_model import SharedModel

__all__ = ['Workspace']


class Workspace:
    """Opens each scene once, however many tabs look at it.

    Args:
        library: what can be opened.
        model: the weights.
        scale: metres per unit of the scans.
        recover: go on with what is left of damaged journals.
    """

    def __init__(
        self,
        library: Library,
        model: SharedModel,
        *,
        scale: float = 1.0,
        recover: bool = False,
    ) -> None:
        self.library, self.model = library, model
        self._scale, self._recover = scale, recover
        self._lock = threading.RLock()
        self._sessions: dict[str, SceneSession] = {}
        self._users: dict[str, int] = {}
        self.last_key = library.entries[0].key

    def acquire(self, key: str) -> SceneSession:
        """The session of a scene for one more tab, which calls :meth:`release` in the end.

        Scenes that nobody looks at any more are closed.

        Raises:
            SceneError, FileFormatError, ConfigError: it cannot be read, or another program has its
                journal open.
        """
        with self._lock:
            if key not in self._sessions:
                self._close_unused()
                self._sessions[key] = self._open(key)
            self._users[key] = self._users.get(key, 0) + 1
            self.last_key = key
            return self._sessions[key]

    def release(self, key: str) -> None:
        """A tab looks elsewhere. The scene stays open until another one is opened."""
        with self._lock:
            self._users[key] = max(self._users.get(key, 0) - 1, 0)

    def close(self) -> None:
        """Close all scenes and their journals."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
            self._users.clear()

    def _open(self, key: str) -> SceneSession:
        entry = self.library.entry(key)
        scale = self._scale if entry.kind == 'scan' else 1.0
        scene = self.library.load(key, scale=scale)
        return SceneSession(
            scene,
            self.model,
            journal=self.library.journal_path(key),
            scale=scale,
            recover=self._recover,
        )

    def _close_unused(self) -> None:
        for key in [key for key in self._sessions if not self._users.get(key)]:
            # Tabs wait for the lock meanwhile.
            self._sessions.pop(key).close(wait=False)
