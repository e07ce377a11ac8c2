"""Heads whose outputs are K logits, and answers of several members as one."""

from __future__ import annotations

from ssgan.learn import losses
from ssgan.learn.backend import Tensor, keras

ops = keras.ops


class Logits:
    """K logits; a row is as real as their logsumexp, the logit of "fake" being fixed at 0."""

    def realness(self, outputs: Tensor) -> Tensor:
        return losses.logsumexp(outputs)

    def distance(self, outputs: Tensor, goal: Tensor) -> Tensor:
        return losses.kl(outputs, goal)

    def mix(self, outputs_a: Tensor, outputs_b: Tensor, share: Tensor) -> Tensor:
        shares = losses.mixed(probabilities(outputs_a), probabilities(outputs_b), share)
        return ops.log(ops.maximum(shares, losses.TINY))

    def entropy(self, outputs: Tensor, weights: Tensor | None = None) -> Tensor:
        return losses.conditional_entropy(outputs, weights)

    def share_weights(self, outputs: Tensor) -> Tensor:
        return losses.share_weights(outputs)

    def pooled(self, outputs: Tensor) -> Tensor:
        """Logits whose softmax is the mean of the members' and whose logsumexp is their pooled realness."""
        if len(outputs.shape) == 2:
            return outputs
        shares = ops.mean(probabilities(outputs), axis=1)
        return ops.log(ops.maximum(shares, losses.TINY)) + pooled_realness(losses.logsumexp(outputs))

    def disagreement(self, outputs: Tensor) -> Tensor:
        """Entropy of the mean minus mean of the entropies (Houlsby et al. 2011)."""
        if len(outputs.shape) == 2:
            return ops.zeros_like(outputs[:, 0])
        shares = probabilities(outputs)
        return _entropy(ops.mean(shares, axis=1)) - ops.mean(_entropy(shares), axis=1)


def probabilities(outputs: Tensor) -> Tensor:
    """Logits [..., K] -> shares [..., K]."""
    return ops.exp(losses.log_softmax(outputs))


def _entropy(shares: Tensor) -> Tensor:
    """Of [..., K], in nats."""
    return -ops.sum(shares * ops.log(ops.maximum(shares, losses.TINY)), axis=-1)


def pooled_realness(realness: Tensor) -> Tensor:
    """[n, k, 1] -> [n, 1]: the logit of the members' mean P(real), without leaving logarithms."""
    return _log_sum(-ops.softplus(-realness)) - _log_sum(-ops.softplus(realness))


def _log_sum(logs: Tensor) -> Tensor:
    """log of the sum over members of exp, [n, k, 1] -> [n, 1]."""
    return losses.logsumexp(logs[..., 0])
