"""The model in service: follows `champion.json`, and never lets go of a good model for a broken one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from serving.model import Model
from ssgan.errors import SsganError
from ssgan.records import Champion
from ssgan.ship.packaged import folder_of

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
        self._broken: Champion | None = None
        found = None if root is None else self._champion()
        self.model = found or Model.load(own)

    @property
    def pointer(self) -> Path | None:
        """The file that is followed."""
        return None if self._root is None else self._root / "champion.json"

    def follow(self) -> None:
        """Takes the champion into service, or says once why not."""
        found = self._champion(self.model.lineage.digest)
        if found is not None:
            self.model = found
            self._swapped()
            _log.info("%s is in service", found.lineage.model)

    def _champion(self, unless: str = "") -> Model | None:
        assert self._root is not None
        champion = None
        try:
            champion = Champion.read(self._root / "champion.json")
            if champion.digest == unless or champion == self._broken:
                return None
            return Model.load(folder_of(self._root, champion), champion)
        except (SsganError, OSError, ValueError) as error:
            self._broken = champion
            self._refused()
            _log.error("the champion is refused, the model in service stays: %s", error)
            return None
