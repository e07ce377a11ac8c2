"""The model in service: follows `champion.json`, and never lets go of a good model for a broken one.

A champion that was refused stays in the pointer, and packaging it again does not change the pointer; so until it is
taken up, the files of its model are followed too.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from serving.model import Model
from ssgan.errors import SsganError, told
from ssgan.records import Champion, Lineage
from ssgan.ship.packaged import folder_of

Files = tuple[tuple[str, int, int], ...]  # of a folder: name, when it changed (not what a copy says of it), bytes

_log = logging.getLogger("ssgan.service")


class Current:
    """Holds one model; `follow` loads and probes the new champion first, and only then replaces it, in one step."""

    def __init__(self, own: Path, root: Path | None, swapped: Callable[[], None], refused: Callable[[], None]) -> None:
        """Starts with the project's champion; without a project, or if that is broken, with the Bento's own model.

        Args:
            own: folder of the Bento's own model.
            root: of the project that is followed, if one is.
            swapped: called after each change of the model.
            refused: called for each champion that stays outside.

        Raises:
            ArtefactError: if there is no model that can be trusted.
        """
        self._root, self._swapped, self._refused = root, swapped, refused
        self._broken: Champion | None = None  # the champion that was refused,
        self._refused_files: Files = ()  # and what its files were then
        self._files: Files = ()  # at the last look
        found = None if root is None else self._champion()
        self.model = found or Model.load(own)

    @property
    def pointer(self) -> Path | None:
        """The file that is followed."""
        return None if self._root is None else self._root / "champion.json"

    def follow(self) -> None:
        """Takes the champion into service, or says once why not."""
        found = self._champion(self.model.lineage)
        if found is not None:
            self.model = found
            self._swapped()
            _log.info("%s is in service", found.lineage.model)

    def look(self) -> None:
        """Tries a refused champion again once its files have changed, and nobody is writing them any more."""
        if self._broken is None or self._root is None:
            return
        before, self._files = self._files, _files_of(self._root, self._broken)
        if self._files != self._refused_files and self._files == before:
            self._broken = None
            self.follow()

    def _champion(self, unless: Lineage | None = None) -> Model | None:
        assert self._root is not None
        champion: Champion | None = None
        files: Files = ()
        try:
            champion = Champion.read(self._root / "champion.json")
            if champion == self._broken:
                return None
            self._broken = None
            if champion.lineage == unless and champion.digest == unless.digest:
                return None
            files = _files_of(self._root, champion)
            return Model.load(folder_of(self._root, champion), champion)
        except (SsganError, OSError, ValueError) as error:
            self._broken, self._refused_files, self._files = champion, files, files
            self._refused()
            _log.error("the champion is refused, the model in service stays: %s", told(error, Champion))
            return None


def _files_of(root: Path, champion: Champion) -> Files:
    """What lies in the folder of a champion's model; nothing where that is no folder of the store."""
    with contextlib.suppress(SsganError, OSError):
        found = ((each.name, each.stat()) for each in sorted(folder_of(root, champion).iterdir()))
        return tuple((name, about.st_ctime_ns, about.st_size) for name, about in found)
    return ()
