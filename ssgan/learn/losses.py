"""The terms of the objective, as pure functions.

Notation: l(x) [n, K] class logits; z(x) = logsumexp_k l_k(x) [n, 1] realness; h(x) [n, H] features of the last hidden
layer; G a generator. "Improved GAN" is Salimans et al. 2016 (arXiv:1606.03498).
"""

from __future__ import annotations

from ssgan.learn.backend import Tensor, keras

ops = keras.ops


def logsumexp(logits: Tensor) -> Tensor:
    """z(x), the realness of K class logits when the logit of "fake" is fixed at 0: P(real) = sigmoid(z).

    Improved GAN, section 5. [n, K] -> [n, 1]. Written out, because a graph of five nodes is exported for it.
    """
    peak = ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    return peak + ops.log(ops.sum(ops.exp(logits - peak), axis=-1, keepdims=True))


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """mean[z - l_y]: the cross-entropy over the K classes, given that the row is real (Improved GAN, L_supervised).

    Args:
        logits: [n, K].
        classes: int [n], 0 .. K - 1.
    """
    chosen = ops.sum(logits * ops.one_hot(classes, logits.shape[-1], dtype=logits.dtype), axis=-1, keepdims=True)
    return ops.mean(logsumexp(logits) - chosen)


def huber(values: Tensor, targets: Tensor, delta: float = 1.0) -> Tensor:
    """mean of e^2/2 for |e| <= delta, else delta (|e| - delta/2), with e = value - target (Huber 1964).

    Args:
        values: [n, 1], standardised.
        targets: [n], standardised.
        delta: where squares turn into absolute values, in standard deviations of the target.
    """
    error = ops.abs(values[:, 0] - targets)
    inside = ops.minimum(error, delta)
    return ops.mean(inside * (error - 0.5 * inside))


def real_fake(realness: Tensor, realness_of_fakes: Tensor) -> Tensor:
    """1/2 mean softplus(-z(x)) + 1/2 mean softplus(z(fake)): binary cross-entropy of real against fake.

    Improved GAN's L_unsupervised, halved as in its published code. Any realness unit will do: [n, 1] and [m, 1].
    """
    return 0.5 * ops.mean(ops.softplus(-realness)) + 0.5 * ops.mean(ops.softplus(realness_of_fakes))


def feature_matching(features_of_fakes: Tensor, features: Tensor) -> Tensor:
    """mean over features of (E h(G(z)) - E h(x))^2, what the generator minimises (Improved GAN, section 3.1)."""
    return ops.mean(ops.square(ops.mean(features_of_fakes, axis=0) - ops.mean(features, axis=0)))
