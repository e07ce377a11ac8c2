"""A Keras model with a `train_step`, run by `fit`, on the backend that KERAS_BACKEND names.

KERAS_BACKEND=jax python keras_fit.py W1
"""

from __future__ import annotations

import sys
import time
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from work import BETA1, EMA, HIDDEN_NOISE, INPUT_NOISE, RATE, WORKS, Work, serve

ON_JAX = keras.backend.backend() == "jax"


class NormedDense(layers.Layer):
    """Columns of the kernel have length 1."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.outputs), initializer=keras.initializers.RandomNormal())
        self.bias = self.add_weight(shape=(self.outputs,), initializer="zeros")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.kernel / ops.norm(self.kernel, axis=0, keepdims=True)) + self.bias


def discriminator(work: Work) -> Any:
    """x -> [features, logits]."""
    x = keras.Input((work.columns,))
    h = layers.GaussianNoise(INPUT_NOISE)(x)
    for width in work.hidden:
        features = layers.ReLU()(NormedDense(width)(h))
        h = layers.GaussianNoise(HIDDEN_NOISE)(features)
    return keras.Model(x, [features, NormedDense(work.classes)(h)])


def generator(work: Work) -> Any:
    """Numbers -> rows."""
    z = keras.Input((work.latent,))
    h = z
    for width in work.generator:
        h = layers.Activation("softplus")(layers.BatchNormalization()(layers.Dense(width, use_bias=False)(h)))
    return keras.Model(z, layers.Dense(work.columns, activation="tanh")(h))


class AveragedAdam(keras.optimizers.Adam):
    """Keeps the averaged weights beside the learned ones, where `fit` would put them in their place at its end."""

    def finalize_variable_values(self, var_list: Any) -> None:
        """Nothing: training goes on in the next window."""


class Players(keras.Model):
    """Discriminator and generator, each with an Adam of its own."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work, self.net, self.fakes = work, discriminator(work), generator(work)
        self.numbers = keras.random.SeedGenerator(0)
        self.other = keras.optimizers.Adam(RATE, BETA1)
        self.other.build(self.fakes.trainable_variables)
        self.other_state = list(self.other.variables)  # so that a stateless step hands them on
        self.built = True

    def call(self, x: Any) -> Any:
        return self.net(x)[1]

    def noise(self) -> Any:
        return keras.random.uniform((self.work.batch, self.work.latent), seed=self.numbers)

    def net_loss(self, x: Any, y: Any, unlabelled: Any) -> Any:
        fake = ops.stop_gradient(self.fakes(self.noise(), training=True))
        _, logits = self.net(ops.concatenate([x, unlabelled, fake]), training=True)
        known, real, unreal = ops.split(logits, 3)
        supervised = ops.mean(keras.losses.sparse_categorical_crossentropy(y, known, from_logits=True))
        realness, unrealness = ops.logsumexp(real, 1), ops.logsumexp(unreal, 1)
        return supervised + 0.5 * (ops.mean(ops.softplus(-realness)) + ops.mean(ops.softplus(unrealness)))

    def fakes_loss(self, unlabelled: Any) -> Any:
        wanted, _ = self.net(unlabelled, training=True)
        found, _ = self.net(self.fakes(self.noise(), training=True), training=True)
        return ops.mean(ops.square(ops.mean(found, 0) - ops.mean(ops.stop_gradient(wanted), 0)))


class TensorFlowPlayers(Players):
    """Two tapes."""

    def train_step(self, data: Any) -> dict[str, Any]:
        import tensorflow as tf

        (x, unlabelled, others), y = data
        for optimizer, part, loss_of, given in (
            (self.optimizer, self.net, self.net_loss, (x, y, unlabelled)),
            (self.other, self.fakes, self.fakes_loss, (others,)),
        ):
            with tf.GradientTape() as tape:
                loss = loss_of(*given)
            weights = part.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss}


class JaxPlayers(Players):
    """Two gradients of functions of the state."""

    @property
    def trainable_variables(self) -> list[Any]:
        return [*self.net.trainable_variables, *self.fakes.trainable_variables]

    def train_step(self, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
        import jax

        learned, kept, slots, metrics = state
        (x, unlabelled, others), y = data
        size = len(self.net.trainable_variables)
        net, fakes = list(learned[:size]), list(learned[size:])
        place = {variable.path: at for at, variable in enumerate(self.non_trainable_variables)}
        mine = [place[variable.path] for variable in self.other_state]

        def loss_of(which: list[Any], weights: list[Any], kept: list[Any], function: Any, given: Any) -> Any:
            pairs = [*zip(which, weights, strict=True), *zip(self.non_trainable_variables, kept, strict=True)]
            rest = zip(self.trainable_variables, [*net, *fakes], strict=True)
            with keras.StatelessScope(state_mapping=[*rest, *pairs]) as scope:
                loss = function(*given)
            return loss, [scope.get_current_value(each) for each in self.non_trainable_variables]

        slope = jax.value_and_grad(loss_of, argnums=1, has_aux=True)
        (_, kept), slopes = slope(self.net.trainable_variables, net, kept, self.net_loss, (x, y, unlabelled))
        net, slots = self.optimizer.stateless_apply(slots, slopes, net)
        (loss, kept), slopes = slope(self.fakes.trainable_variables, fakes, kept, self.fakes_loss, (others,))
        fakes, theirs = self.other.stateless_apply([kept[at] for at in mine], slopes, fakes)
        kept = list(kept)
        for at, value in zip(mine, theirs, strict=True):
            kept[at] = value
        return {"loss": loss}, ([*net, *fakes], kept, slots, metrics)


class Clock(keras.callbacks.Callback):
    """Counts steps, and stops after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.steps, self.start = seconds, 0, 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.steps += 1
        now = time.perf_counter()
        if self.steps == 1:
            self.start = now  # what `fit` does before its first step is not a step
        elif now - self.start > self.seconds:
            self.pace = (self.steps - 1) / (now - self.start)
            self.model.stop_training = True


def main(work: Work) -> None:
    """Trains as long as it is asked to."""
    keras.utils.set_random_seed(0)
    known, classes, rows = work.data()
    chosen, order = np.random.default_rng(0).integers(len(known), size=len(rows)), np.random.default_rng(1)
    data = (known[chosen], rows, order.permutation(rows)), classes[chosen]
    players = (JaxPlayers if ON_JAX else TensorFlowPlayers)(work)
    players.compile(AveragedAdam(RATE, BETA1, use_ema=True, ema_momentum=EMA))
    players.optimizer.build(players.net.trainable_variables)

    def window(seconds: float) -> float:
        clock = Clock(seconds)
        whole = len(rows) // work.batch * work.batch
        x, y = tuple(each[:whole] for each in data[0]), data[1][:whole]
        players.fit(x, y, batch_size=work.batch, epochs=10**6, verbose=0, callbacks=[clock])
        return float(clock.pace)

    window(0.01)
    serve(window)


if __name__ == "__main__":
    main(WORKS[sys.argv[1]])
