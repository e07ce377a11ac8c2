"""Losses for TensorBoard, as a Keras callback: event files by TensorFlow's own writer, whatever the backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssgan.errors import ParamsError
from ssgan.learn.backend import keras, quiet


class Events(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Writes each epoch's logs under the step that the epoch ended with; the files are TensorBoard's.

    A run that was killed goes on in a file of its own beside the first; TensorBoard reads both as one.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: of this run alone.

        Raises:
            ParamsError: if TensorFlow, whose writer it is, is not installed.
        """
        super().__init__()
        self._folder = folder
        try:
            with quiet():
                import tensorflow as tf
        except ModuleNotFoundError:
            raise ParamsError(
                "train.tensorboard needs TensorFlow, whose writer makes the files: pip install tensorflow, or set it "
                "to false; the losses are in history.csv in any case"
            ) from None
        self._tf = tf.compat.v1

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Opens the file; an OSError says what is in the way, which TensorFlow would tell as an error of its own."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._tf.Graph().as_default():  # the writer refuses to be made outside a graph; it uses no device
            self._writer = self._tf.summary.FileWriter(str(self._folder))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the losses, and sends them to the disk: somebody is looking on."""
        value: Any = self._tf.Summary.Value
        found = [value(tag=f"loss/{name}", simple_value=loss) for name, loss in (logs or {}).items()]
        steps = min((epoch + 1) * self.params["steps"], self.params["total"])
        self._writer.add_summary(self._tf.Summary(value=found), steps)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Closes it."""
        self._writer.close()
