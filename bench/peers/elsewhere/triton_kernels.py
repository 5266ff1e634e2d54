"""Kernels in Triton for elsewhere.py: softmax, a matrix product, and the two launches of a fused MoE layer."""

import triton
import triton.language as tl


@triton.jit
def softmax(y, x, columns, BLOCK: tl.constexpr):
    """y[row] = softmax(x[row]) of x [rows, columns]; a program takes a row of at most BLOCK columns."""
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < columns
    scores = tl.load(x + row * columns + column, mask=inside, other=float('-inf'))
    powers = tl.exp(scores - tl.max(scores, axis=0))
    tl.store(y + row * columns + column, powers / tl.sum(powers, axis=0), mask=inside)


@triton.jit
def matmul(c, a, b, m, n, k, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    """c [m, n] = a [m, k] b [k, n] on tensor cores (tf32); a program takes a tile of c."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    column = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    depth = tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, k, BLOCK_K):
        at = start + depth
        left = tl.load(a + row[:, None] * k + at[None, :], mask=(row[:, None] < m) & (at[None, :] < k), other=0.0)
        right = tl.load(b + at[:, None] * n + column[None, :], mask=(at[:, None] < k) & (column[None, :] < n),
                        other=0.0)
        total = tl.dot(left, right, total)
    tl.store(c + row[:, None] * n + column[None, :], total, mask=(row[:, None] < m) & (column[None, :] < n))


@triton.jit
def moe_up(hidden, x, w, slots, block_expert, slot_count, k, width, hidden_width,
           BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    """hidden[slot] = silu(x w_gate^T) * (x w_up^T) of the slot's token and expert.

    hidden [slots, hidden_width], x [tokens, width], w [experts, 2 hidden_width, width], gate before up. `slots` lists
    the slots expert by expert, each expert's padded to a multiple of BLOCK_M with slot_count; slot s is of token s / k.
    """
    slot = tl.load(slots + tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M))
    expert = tl.load(block_expert + tl.program_id(0)).to(tl.int64)
    is_slot = slot < slot_count
    token = slot // k
    unit = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    depth = tl.arange(0, BLOCK_K)
    gate = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    up = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    first = w + expert * 2 * hidden_width * width
    for start in range(0, width, BLOCK_K):
        at = start + depth
        rows = tl.load(x + token[:, None] * width + at[None, :],
                       mask=is_slot[:, None] & (at[None, :] < width), other=0.0)
        inside = (unit[None, :] < hidden_width) & (at[:, None] < width)
        weights = first + unit[None, :] * width + at[:, None]
        gate = tl.dot(rows, tl.load(weights, mask=inside, other=0.0), gate)
        up = tl.dot(rows, tl.load(weights + hidden_width * width, mask=inside, other=0.0), up)
    result = gate * tl.sigmoid(gate) * up
    tl.store(hidden + slot[:, None] * hidden_width + unit[None, :], result.to(hidden.dtype.element_ty),
             mask=is_slot[:, None] & (unit[None, :] < hidden_width))


@triton.jit
def moe_down(y, hidden, w, weights, slots, block_expert, slot_count, hidden_width, width,
             BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr):
    """y[slot] = weights[slot] * hidden[slot] w[expert]^T; y [slots, width] is added up over a token's slots afterwards.

    hidden [slots, hidden_width], w [experts, width, hidden_width]; slots and block_expert as in moe_up.
    """
    slot = tl.load(slots + tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M))
    expert = tl.load(block_expert + tl.program_id(0)).to(tl.int64)
    is_slot = slot < slot_count
    column = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    depth = tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    first = w + expert * width * hidden_width
    for start in range(0, hidden_width, BLOCK_K):
        at = start + depth
        rows = tl.load(hidden + slot[:, None] * hidden_width + at[None, :],
                       mask=is_slot[:, None] & (at[None, :] < hidden_width), other=0.0)
        total = tl.dot(rows, tl.load(first + column[None, :] * hidden_width + at[:, None],
                                     mask=(column[None, :] < width) & (at[:, None] < hidden_width), other=0.0), total)
    total = total * tl.load(weights + slot, mask=is_slot, other=0.0)[:, None]
    tl.store(y + slot[:, None] * width + column[None, :], total, mask=is_slot[:, None] & (column[None, :] < width))
