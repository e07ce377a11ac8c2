"""The terms of the objective, as pure functions.

Notation: l(x) [..., K] class logits; z(x) = logsumexp_k l_k(x) [..., 1] realness; h(x) [n, H] features of the last
hidden layer; G a generator. Axes between the first and the last belong to members of an ensemble: every mean runs over
them too. "Improved GAN" is Salimans et al. 2016 (arXiv:1606.03498), "BadGAN" Dai et al. 2017 (arXiv:1705.09783).
Everything is computed in float32, whatever the networks use.
"""

from __future__ import annotations

import math

from ssgan.learn.backend import Tensor, keras

ops = keras.ops

TINY = 1e-12  # under a logarithm or a root
KNOWN = 0.25  # how many rows the known shares count as in `aligned`, per row that is seen
RAREST = 0.1  # class shares below a tenth of an even share count as that, see `share_weights`


def logsumexp(logits: Tensor) -> Tensor:
    """z(x), the realness of K class logits when the logit of "fake" is fixed at 0: P(real) = sigmoid(z).

    Improved GAN, section 5. [..., K] -> [..., 1]. Written out, because a graph of five nodes is exported for it.
    """
    logits = _float32(logits)
    peak = ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    return peak + ops.log(ops.sum(ops.exp(logits - peak), axis=-1, keepdims=True))


def log_softmax(logits: Tensor) -> Tensor:
    """log P(class | real, x) = l_k - z, [..., K]. Shifted first: large logits keep all their digits."""
    logits = _float32(logits)
    logits = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    return logits - ops.log(ops.sum(ops.exp(logits), axis=-1, keepdims=True))


# On labelled rows


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """mean[z - l_y]: the cross-entropy over the K classes, given that the row is real (Improved GAN, L_supervised).

    Args:
        logits: [n, ..., K].
        classes: int [n], 0 .. K - 1.
    """
    return soft_cross_entropy(logits, ops.one_hot(classes, logits.shape[-1], dtype="float32"))


def soft_cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """mean[-sum_k q_k log p_k]: the cross-entropy to soft targets.

    Args:
        logits: [n, ..., K].
        shares: q [n, K], rows that sum to 1.
    """
    return ops.mean(-ops.sum(_like(shares, logits) * log_softmax(logits), axis=-1))


def hl_gauss(targets: Tensor, edges: Tensor, deviation: float) -> Tensor:
    """Soft targets of a bucketed value: the mass that N(y, deviation^2), cut off at the ends, has in each bucket.

    q_k = [F(e_k+1) - F(e_k)] / [F(e_K) - F(e_0)], F the normal distribution function round y (Imani & White 2018,
    arXiv:1806.04613, section 3.1).

    Args:
        targets: [n]; outside the edges they count as the nearest edge.
        edges: e [K + 1], rising.
        deviation: of the normal, in the targets' unit; 0.75 buckets is usual.

    Returns:
        [n, K].
    """
    edges, targets = _float32(edges), _float32(targets)
    targets = ops.clip(targets, edges[0], edges[-1])
    below = ops.erf((edges - targets[:, None]) / (deviation * math.sqrt(2.0)))
    return (below[:, 1:] - below[:, :-1]) / (below[:, -1:] - below[:, :1])


def huber(values: Tensor, targets: Tensor, delta: float = 1.0) -> Tensor:
    """mean of e^2/2 for |e| <= delta, else delta (|e| - delta/2), with e = value - target (Huber 1964).

    Args:
        values: [n, ..., 1], standardised.
        targets: [n], standardised.
        delta: where squares turn into absolute values, in standard deviations of the target.
    """
    error = ops.abs(_float32(values) - _like(targets[:, None], values))
    inside = ops.minimum(error, delta)
    return ops.mean(inside * (error - 0.5 * inside))


def gaussian(values: Tensor, log_variances: Tensor, targets: Tensor) -> Tensor:
    """mean of [s + e^2 exp(-s)] / 2: minus log N(y; value, exp(s)) without its constant (Nix & Weigend 1994, eq. 4).

    Args:
        values: [n, ..., 1], standardised.
        log_variances: s, [n, ..., 1].
        targets: [n], standardised.
    """
    log_variances = _float32(log_variances)
    error = ops.square(_float32(values) - _like(targets[:, None], values))
    return 0.5 * ops.mean(log_variances + error * ops.exp(-log_variances))


# On unlabelled and fake rows: the discriminator


def real_fake(realness: Tensor, realness_of_fakes: Tensor, weights: Tensor | None = None) -> Tensor:
    """1/2 mean softplus(-z(x)) + 1/2 mean softplus(z(fake)): binary cross-entropy of real against fake.

    Improved GAN's L_unsupervised, halved as in its published code. Any realness unit will do.

    Args:
        realness: [n, ..., 1].
        realness_of_fakes: [m, ..., 1].
        weights: of the real rows, [n]; see `share_weights`.
    """
    real = _rows_mean(ops.softplus(-_float32(realness))[..., 0], weights)
    return 0.5 * real + 0.5 * ops.mean(ops.softplus(_float32(realness_of_fakes)))


def conditional_entropy(logits: Tensor, weights: Tensor | None = None) -> Tensor:
    """mean[-sum_k p_k log p_k] of p = softmax(l) (Grandvalet & Bengio 2005; BadGAN, eq. 4).

    Args:
        logits: [n, ..., K].
        weights: of the rows, [n]; see `share_weights`.
    """
    log_shares = log_softmax(logits)
    return _rows_mean(-ops.sum(ops.exp(log_shares) * log_shares, axis=-1), weights)


def share_weights(logits: Tensor) -> Tensor:
    """Row weights that give each class the same say in a mean: w = sum_k p_k(x) / (K mean_x p_k), mean 1. [n].

    Terms that make the network surer of what it thinks already would otherwise push rows of rare classes over to the
    majority. No gradient. Class shares under a tenth of an even share count as that tenth: a class that hardly anything
    is taken for must not rest on one row.
    """
    shares = ops.exp(log_softmax(ops.stop_gradient(logits)))
    if len(shares.shape) > 2:
        shares = ops.mean(shares, axis=tuple(range(1, len(shares.shape) - 1)))
    classes = shares.shape[-1]
    pool = ops.maximum(ops.mean(shares, axis=0, keepdims=True), RAREST / classes)
    weights = ops.mean(shares / pool, axis=-1)
    return weights / ops.mean(weights)


def manifold(logits: Tensor, logits_moved: Tensor) -> Tensor:
    """mean of sum_k |l_k(G(z)) - l_k(G(z) + step)| (Lecouat et al. 2018, arXiv:1805.08957, eq. 5, as published code).

    Penalises answers that change along the generator's manifold; `manifold_step` makes the moved rows. [n, ..., K].
    """
    return ops.mean(ops.sum(ops.abs(_float32(logits) - _float32(logits_moved)), axis=-1))


def manifold_step(fakes: Tensor, neighbours: Tensor, length: float) -> Tensor:
    """G(z) + length r/|r| with r = G(z + eta d) - G(z), d a random unit vector: one step along the manifold.

    Args:
        fakes: G(z), [n, ...].
        neighbours: G(z + eta d), [n, ...].
        length: of the step, in encoded units.
    """
    return fakes + length * unit(neighbours - fakes)


# Consistency with a teacher


def kl(logits: Tensor, goal: Tensor) -> Tensor:
    """mean KL(softmax goal || softmax l), the goal without gradient (Miyato et al. 2018, arXiv:1704.03976, eq. 5).

    Args:
        logits: [n, ..., K].
        goal: logits [n, K] or [n, ..., K].
    """
    log_goal = log_softmax(ops.stop_gradient(goal))
    log_goal = _like(log_goal, logits)
    return ops.mean(ops.sum(ops.exp(log_goal) * (log_goal - log_softmax(logits)), axis=-1))


def pseudo_label(logits: Tensor, goal: Tensor, sure: float = 0.95) -> Tensor:
    """mean of [max q >= sure] (z - l_k), k = argmax q, q = softmax goal without gradient (FixMatch, Sohn et al. 2020,
    arXiv:2001.07685, eq. 4).

    Args:
        logits: [n, ..., K].
        goal: logits [n, K] or [n, ..., K].
        sure: rows whose teacher is less sure than that count as 0.
    """
    goal = _like(ops.exp(log_softmax(ops.stop_gradient(goal))), logits)
    known = ops.cast(ops.max(goal, axis=-1) >= sure, "float32")
    classes = ops.one_hot(ops.argmax(goal, axis=-1), goal.shape[-1], dtype="float32")
    return ops.mean(-known * ops.sum(classes * log_softmax(logits), axis=-1))


def aligned(logits: Tensor, shares: Tensor, strength: Tensor) -> Tensor:
    """log[q_k (pi_k / m_k)^s], m_k = (mean_x q_k + c pi_k) / (1 + c): answers brought to class shares that are known.

    Distribution alignment (Berthelot et al. 2020, arXiv:1911.09785, section 3.1) with c = `KNOWN`: a class that no row
    is taken for gains five times at most. No gradient.

    Args:
        logits: of q, [n, ..., K].
        shares: pi [K], which sum to 1.
        strength: s, 0 to 1; at 0 the answers stay as they are.
    """
    log_shares = log_softmax(ops.stop_gradient(logits))
    seen = ops.mean(ops.exp(log_shares), axis=tuple(range(len(log_shares.shape) - 1)))
    seen = (seen + KNOWN * shares) / (1.0 + KNOWN)
    return log_shares + strength * ops.log(shares / seen)


def mixed(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """share a + (1 - share) b (interpolation consistency, Verma et al. 2019, arXiv:1903.03825, eq. 1).

    Args:
        a: [n, ...].
        b: [n, ...].
        share: [n, 1], 0 .. 1.
    """
    share = ops.reshape(share, (-1, *[1] * (len(a.shape) - 1)))
    return share * a + (1.0 - share) * b


def unit(directions: Tensor) -> Tensor:
    """r/|r| row by row, [n, ...]: the power iteration's normalisation (Miyato et al. 2018, section 3.3).

    Divided by the largest entry first: gradients of 1e-20 must not vanish when squared. A row of zeros stays.
    """
    axes = tuple(range(1, len(directions.shape)))
    directions = _float32(directions)
    peak = ops.stop_gradient(ops.max(ops.abs(directions), axis=axes, keepdims=True))
    directions = directions / ops.where(peak > 0, peak, 1.0)
    return directions * ops.rsqrt(ops.sum(ops.square(directions), axis=axes, keepdims=True) + TINY)


# What a generator minimises


def feature_matching(features_of_fakes: Tensor, features: Tensor, weights: Tensor | None = None) -> Tensor:
    """mean over features of (E h(G(z)) - E h(x))^2 (Improved GAN, section 3.1).

    Args:
        features_of_fakes: [m, H].
        features: [n, H].
        weights: of the fakes, [m].
    """
    return ops.mean(ops.square(_gap(features_of_fakes, features, weights)))


def feature_matching_l1(features_of_fakes: Tensor, features: Tensor, weights: Tensor | None = None) -> Tensor:
    """mean over features of |E h(G(z)) - E h(x)|: the published code's form for pictures. As `feature_matching`."""
    return ops.mean(ops.abs(_gap(features_of_fakes, features, weights)))


def non_saturating(realness_of_fakes: Tensor, weights: Tensor | None = None) -> Tensor:
    """mean softplus(-z(G(z))): the generator wants to be taken for real (Goodfellow et al. 2014, section 3).

    Args:
        realness_of_fakes: [m, ..., 1].
        weights: of the fakes, [m].
    """
    return _rows_mean(ops.softplus(-_float32(realness_of_fakes))[..., 0], weights)


def pull_away(features_of_fakes: Tensor, weights: Tensor | None = None) -> Tensor:
    """mean over pairs i != j of cos^2(h_i, h_j) (Zhao et al. 2017, arXiv:1609.03126, eq. 4): fakes that differ.

    Args:
        features_of_fakes: [m, H].
        weights: of the fakes, [m].
    """
    h = unit(features_of_fakes)
    cosines = ops.square(ops.matmul(h, ops.transpose(h)))
    weights = ops.ones_like(cosines[:, 0]) if weights is None else weights
    pairs = weights[:, None] * weights[None, :] * (1.0 - ops.eye(h.shape[0], dtype="float32"))
    return ops.sum(pairs * cosines) / ops.maximum(ops.sum(pairs), TINY)


def complement(realness_of_fakes: Tensor, threshold: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """mean max(z(G(z)) - threshold, 0): fakes should lie beside the data, not on it.

    BadGAN's E log p(x) 1[p(x) > eps] (eq. 3), with the discriminator's own realness as log density up to a constant in
    place of a density model trained beforehand.

    Args:
        realness_of_fakes: [m, ..., 1].
        threshold: a logit; 0 is P(real) = 1/2.
        weights: of the fakes, [m].
    """
    return _rows_mean(ops.relu(_float32(realness_of_fakes) - threshold)[..., 0], weights)


def _gap(features_of_fakes: Tensor, features: Tensor, weights: Tensor | None) -> Tensor:
    fakes = _float32(features_of_fakes)
    mean = ops.mean(fakes, axis=0) if weights is None else _weighted(fakes, weights[:, None])
    return mean - ops.mean(_float32(features), axis=0)


def _rows_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of [n, ...] with row weights [n]."""
    if weights is None:
        return ops.mean(values)
    return ops.mean(_weighted(values, ops.reshape(weights, (-1, *[1] * (len(values.shape) - 1)))))


def _weighted(values: Tensor, weights: Tensor) -> Tensor:
    return ops.sum(values * weights, axis=0) / ops.maximum(ops.sum(weights, axis=0), TINY)


def _like(rows: Tensor, other: Tensor) -> Tensor:
    """[n, C] -> [n, 1, C] where `other` has members."""
    rows = _float32(rows)
    return rows[:, None] if len(rows.shape) < len(other.shape) else rows


def _float32(x: Tensor) -> Tensor:
    return ops.cast(x, "float32")
