"""Switchyard's random numbers in numpy: Philox4x32-10, and the streams that a training run draws from it.

The generator is Salmon et al.'s (SC 2011); what it is used for follows engine/core/random.h. With it PyTorch
trains on the same order of images, with the same dropout and gate noise.
"""

import numpy as np

MASK = np.uint64(0xFFFFFFFF)
WORD = np.uint64(32)
INITIAL_VALUES, ORDER, NOISE = range(3)  # purposes for which a run's seed is forked


def philox(seed, counters):
    """[len(counters), 4] random 32-bit words (as uint64): the blocks `counters` of the stream `seed`."""
    counters = np.asarray(counters, np.uint64)
    c0, c1 = counters & MASK, counters >> WORD
    c2, c3 = np.zeros_like(c0), np.zeros_like(c0)
    key0, key1 = np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)
    for _ in range(10):
        product0, product1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = ((product1 >> WORD) ^ c1 ^ key0, product1 & MASK,
                          (product0 >> WORD) ^ c3 ^ key1, product0 & MASK)
        key0, key1 = (key0 + np.uint64(0x9E3779B9)) & MASK, (key1 + np.uint64(0xBB67AE85)) & MASK
    return np.stack([c0, c1, c2, c3], -1)


def fork(seed, stream):
    """The seed of an independent stream: SplitMix64's finaliser."""
    whole = (1 << 64) - 1
    z = (seed + (stream + 1) * 0x9E3779B97F4A7C15) & whole
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & whole
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & whole
    return z ^ (z >> 31)


def permutation(count, seed):
    """Fisher and Yates' shuffle of 0 ... count-1, Durstenfeld's form."""
    order = list(range(count))
    words = philox(seed, np.arange(count))
    draws = [int(high) << 32 | int(low) for high, low in words[:, :2]]
    for last in range(count - 1, 0, -1):
        other = draws[last] % (last + 1)
        order[last], order[other] = order[other], order[last]
    return order


class Stream:
    """Disjoint stretches of one stream; a block is reserved for every number drawn."""

    def __init__(self, seed):
        self.seed, self.offset = seed, 0

    def words(self, count):
        blocks = philox(self.seed, self.offset + np.arange((count + 3) // 4))
        self.offset += count
        return blocks.reshape(-1)[:count], blocks

    def kept(self, count, p):
        """False where dropout with probability p drops."""
        return self.words(count)[0] >= np.uint64(int(p * 4294967296.0))

    def normal(self, count):
        """Box and Muller: two numbers from two words."""
        blocks = self.words(count)[1].reshape(-1, 2).astype(np.float64)
        radius = np.sqrt(-2.0 * np.log((blocks[:, 0] + 0.5) / 4294967296.0))
        angle = 6.283185307179586 * (blocks[:, 1] + 0.5) / 4294967296.0
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).reshape(-1)[:count]
