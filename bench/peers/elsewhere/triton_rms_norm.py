"""A norm of rows in Triton. docs/guide/10-kernel-from-elsewhere.md finds out what its last parameter is for."""

import triton
import triton.language as tl


@triton.jit
def rms_norm(y, x, w, columns, eps, BLOCK: tl.constexpr, DIVISOR: tl.constexpr):
    """y[row] = x[row] / sqrt(mean(x[row]^2) + eps) * w of x [rows, columns]. DIVISOR is known to divide `columns`."""
    columns = columns // DIVISOR * DIVISOR  # a product by DIVISOR is what Triton knows DIVISOR to divide
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < columns
    scale = tl.load(w + column, mask=inside, other=0.0)
    values = tl.load(x + row * columns + column, mask=inside, other=0.0)
    mean_square = tl.sum(values * values, axis=0) / columns
    tl.store(y + row * columns + column, values * tl.rsqrt(mean_square + eps) * scale, mask=inside)
