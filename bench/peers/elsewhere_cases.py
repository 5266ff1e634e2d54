"""The launches that elsewhere.py puts under the X-ray: kernel, arguments, and results by numpy in float64."""

import os
import sys

import numpy as np

import elsewhere_ptx as ptx

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, 'elsewhere')
ROWS, COLUMNS = 64, 1000
SIDE = 256


class Case:
    """One launch. `make` returns a ptx.Ptx.

    `arguments`: arrays, numbers, and lists of them for a structure. `expected`: {'N' or 'N.B': array} as --expect names
    buffers, each of which the kernel writes. `updates`: those of them that it also reads.
    """

    def __init__(self, name, origin, make, grid, arguments, expected, tolerance=1e-5, updates=()):
        self.name, self.origin, self.make, self.grid = name, origin, make, grid
        self.arguments, self.expected, self.tolerance, self.updates = arguments, expected, tolerance, updates

    def compulsory_bytes(self):
        """What has to cross memory at least: each array that is read, and each that is written, once."""
        total = sum(array.nbytes for array in self.expected.values())
        for position, argument in enumerate(self.arguments):
            parts = argument if isinstance(argument, list) else [argument]
            names = [str(position) if number == 1 else f'{position}.{number}'
                     for number in range(1, 1 + sum(isinstance(part, np.ndarray) for part in parts))]
            arrays = [part for part in parts if isinstance(part, np.ndarray)]
            total += sum(array.nbytes for name, array in zip(names, arrays)
                         if name not in self.expected or name in self.updates)
        return total


class Rung:
    """A rung of the program itself for the same problem, on operands that the program draws.

    Its results are compared elsewhere: `switchyard check` does so with float64, and the tests on the X-ray too.
    """

    def __init__(self, name, kernel, rung, dtype, sizes):
        self.name, self.origin = name, f'Switchyard, {rung}' + ('' if dtype == 'float32' else f', {dtype}')
        self.target, self.dtype, self.sizes = f'{kernel}:{rung}', dtype, sizes

    def command(self, program):
        sizes = [f'{name}={value}' for name, value in self.sizes.items()]
        return [program, 'xray', self.target, *sizes, '--dtype', self.dtype, '--check', '--json']


def random(shape, seed, dtype='float32'):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def exact_softmax(x):
    powers = np.exp(x.astype('float64') - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --- the same problem by several hands --------------------------------------------------------------------------------


def softmax_cases():
    x = random((ROWS, COLUMNS), 1)
    y, right = np.zeros_like(x), exact_softmax(x).astype('float32')

    def ours(rung, grid):
        return Case('softmax', f'Switchyard, {rung}',
                    lambda: ptx.nvcc_ptx('kernels/cuda/softmax.cu', f'{rung}<SoftmaxForwardRow<float>>', 256),
                    grid, [[x, y, ROWS, COLUMNS], [ROWS, np.int32(COLUMNS)]], {'0.2': right})

    def triton():
        import triton_kernels
        return ptx.triton_ptx(triton_kernels.softmax, [y, x, COLUMNS], {'BLOCK': 1024})

    def liger():
        ptx.version('liger-kernel')
        from liger_kernel.ops.softmax import _softmax_single_block_forward_kernel as kernel
        return ptx.triton_ptx(kernel, [y, COLUMNS, x, COLUMNS, COLUMNS], {'BLOCK_SIZE': 1024})

    return [
        ours('softmax_warp_per_row', (ROWS // 8,)),
        ours('softmax_block_per_row', (ROWS,)),
        Case('softmax', 'Triton', triton, (ROWS,), [y, x, COLUMNS], {'0': right}),
        Case('softmax', 'liger-kernel', liger, (ROWS,), [y, COLUMNS, x, COLUMNS, COLUMNS], {'0': right}),
        Case('softmax', 'NVRTC, textbook',
             lambda: ptx.nvrtc_ptx(os.path.join(SOURCES, 'softmax_halving.cu'), 'softmax_halving', 256),
             (ROWS,), [y, x, COLUMNS], {'0': right}),
    ]


def matmul_cases():
    a, b = random((SIDE, SIDE), 2), random((SIDE, SIDE), 3)
    c, right = np.zeros_like(a), (a.astype('float64') @ b.astype('float64')).astype('float32')

    def triton():
        import triton_kernels
        return ptx.triton_ptx(triton_kernels.matmul, [c, a, b, SIDE, SIDE, SIDE],
                              {'BLOCK_M': 64, 'BLOCK_N': 64, 'BLOCK_K': 32})

    tiles = SIDE // 32
    return [
        Case('matmul', 'Switchyard, matmul_shared_tile',
             lambda: ptx.nvcc_ptx('kernels/cuda/matmul.cu', 'matmul_shared_tile<float, false, false>', '32,32'),
             (tiles * tiles,), [[a, b, c, np.int32(SIDE), np.int32(SIDE), np.int32(SIDE)], np.int32(tiles)],
             {'0.3': right}, 1e-4),
        Case('matmul', 'NVRTC, textbook',
             lambda: ptx.nvrtc_ptx(os.path.join(SOURCES, 'matmul_tile.cu'), 'matmul_tile', '16,16'),
             (SIDE // 16, SIDE // 16), [c, a, b, SIDE, SIDE, SIDE], {'0': right}, 1e-4),
        # tf32 keeps 10 bits of each operand.
        Case('matmul', 'Triton, tf32', triton, (SIDE // 64, SIDE // 64), [c, a, b, SIDE, SIDE, SIDE], {'0': right},
             5e-2),
        *(Rung('matmul', 'matmul', f'matmul_tensor_core{form}_tf32', 'float32', {'m': SIDE, 'n': SIDE, 'k': SIDE})
          for form in ('', '_swizzled')),
    ]


class MoeProblem:
    """64 tokens of 128 numbers, 2 of 8 experts each, the last of which has no token; 128 hidden units, SwiGLU."""

    TOKENS, K, EXPERTS, WIDTH, HIDDEN, BLOCK = 64, 2, 8, 128, 128, 16

    def __init__(self):
        generator = np.random.default_rng(4)
        chosen = np.array([generator.permutation(self.EXPERTS - 1)[:self.K] for _ in range(self.TOKENS)]).reshape(-1)
        self.x = random((self.TOKENS, self.WIDTH), 5, 'float16')
        self.w_in = (random((self.EXPERTS, 2 * self.HIDDEN, self.WIDTH), 6) / 8).astype('float16')
        self.w_out = (random((self.EXPERTS, self.WIDTH, self.HIDDEN), 7) / 8).astype('float16')
        self.weights = generator.random(chosen.size).astype('float32')
        self.slots, self.block_expert = self._blocks(chosen)
        self.hidden, self.y = self._exact(chosen)

    def _blocks(self, chosen):
        """The slots expert by expert, padded to whole blocks, and the expert of each block."""
        slots, block_expert = [], []
        for expert in range(self.EXPERTS):
            mine = np.flatnonzero(chosen == expert)
            blocks = -(-mine.size // self.BLOCK)
            slots += [*mine, *[chosen.size] * (blocks * self.BLOCK - mine.size)]
            block_expert += [expert] * blocks
        return np.array(slots, 'int32'), np.array(block_expert, 'int32')

    def _exact(self, chosen):
        x = self.x.astype('float64')[np.arange(chosen.size) // self.K]
        products = np.einsum('shd,sd->sh', self.w_in.astype('float64')[chosen], x)
        gate, up = products[:, :self.HIDDEN], products[:, self.HIDDEN:]
        hidden = (gate * sigmoid(gate) * up).astype('float16')
        y = np.einsum('sch,sh->sc', self.w_out.astype('float64')[chosen], hidden.astype('float64'))
        return hidden, (self.weights[:, None] * y).astype('float32')


def moe_cases():
    p = MoeProblem()
    slot_count = p.TOKENS * p.K
    constants = {'BLOCK_M': p.BLOCK, 'BLOCK_N': 32, 'BLOCK_K': 32}
    up = [np.zeros_like(p.hidden), p.x, p.w_in, p.slots, p.block_expert, slot_count, p.K, p.WIDTH, p.HIDDEN]
    down = [np.zeros_like(p.y), p.hidden, p.w_out, p.weights, p.slots, p.block_expert, slot_count, p.HIDDEN, p.WIDTH]

    def triton(name, arguments):
        import triton_kernels
        return ptx.triton_ptx(getattr(triton_kernels, name), arguments, constants)

    # SwiGLU; no biases, and no units kept for a way back.
    sizes = {'tokens': p.TOKENS, 'k': p.K, 'experts': p.EXPERTS, 'width': p.WIDTH, 'hidden': p.HIDDEN, 'out': p.WIDTH,
             'activation': 2, 'biased': 0, 'keeps_u': 0}
    blocks = p.block_expert.size
    return [
        Case('moe, first product', 'Triton', lambda: triton('moe_up', up), (blocks, p.HIDDEN // 32), up,
             {'0': p.hidden}, 1e-2),
        Case('moe, second product', 'Triton', lambda: triton('moe_down', down), (blocks, p.WIDTH // 32), down,
             {'0': p.y}, 1e-2),
        *(Rung('moe, both products and the sum', 'moe_forward', f'moe_forward_{form}', 'bfloat16', sizes)
          for form in ('grouped', 'fused_tensor_core')),
    ]


# --- more of liger-kernel ---------------------------------------------------------------------------------------------


def liger_case(name, module, kernel, arguments, constants, expected, tolerance=1e-5, updates=(), grid=(ROWS,)):
    def make():
        ptx.version('liger-kernel')
        found = __import__(f'liger_kernel.ops.{module}', fromlist=[kernel])
        return ptx.triton_ptx(getattr(found, kernel), arguments, constants)

    return Case(name, 'liger-kernel', make, grid, arguments, expected, tolerance, updates)


def norm_cases():
    x, w, b = random((ROWS, COLUMNS), 8), random((COLUMNS,), 9), random((COLUMNS,), 10)
    y, of_row, wide = np.zeros_like(x), np.zeros(ROWS, 'float32'), x.astype('float64')
    block = {'BLOCK_SIZE': 1024}
    inverse = 1 / np.sqrt((wide ** 2).mean(axis=1) + 1e-6)
    rms = [y, COLUMNS, x, COLUMNS, w, 1, of_row, 1, COLUMNS, 1e-6, 0.0]
    right = (wide * inverse[:, None] * w).astype('float32')
    short = [y, x, w, COLUMNS, 1e-6]

    def triton(divisor):
        import triton_rms_norm
        return ptx.triton_ptx(triton_rms_norm.rms_norm, short, {'BLOCK': 1024, 'DIVISOR': divisor})

    mean, inverse_deviation = wide.mean(axis=1), 1 / np.sqrt(wide.var(axis=1) + 1e-6)
    layer = [y, COLUMNS, x, COLUMNS, w, 1, b, 1, of_row, 1, of_row, 1, COLUMNS, 1e-6]
    normal = (wide - mean[:, None]) * inverse_deviation[:, None] * w + b
    return [
        Case('rms_norm', 'Triton', lambda: triton(1), (ROWS,), short, {'0': right}),
        Case('rms_norm', 'Triton, told that 8 divides the columns', lambda: triton(8), (ROWS,), short, {'0': right}),
        liger_case('rms_norm', 'rms_norm', '_rms_norm_forward_kernel', rms,
                   {**block, 'casting_mode': 0, 'elementwise_affine': True},
                   {'0': right, '6': inverse.astype('float32')}),
        liger_case('layer_norm', 'layer_norm', '_layer_norm_forward_kernel', layer, block,
                   {'0': normal.astype('float32'), '8': mean.astype('float32'),
                    '10': inverse_deviation.astype('float32')}),
    ]


def gate_cases():
    a, b = random((ROWS, COLUMNS), 11), random((ROWS, COLUMNS), 12)
    c, wide = np.zeros_like(a), a.astype('float64')
    constants = {'n_cols': COLUMNS, 'BLOCK_SIZE': 1024}
    gelu = 0.5 * wide * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide ** 3)))
    return [
        liger_case('swiglu', 'swiglu', '_swiglu_forward_kernel', [a, b, c, COLUMNS, 1.0], constants,
                   {'2': (wide * sigmoid(wide) * b).astype('float32')}),
        liger_case('geglu', 'geglu', '_geglu_tanh_forward_kernel', [a, b, c, COLUMNS], constants,
                   {'2': (gelu * b).astype('float32')}),
    ]


def cross_entropy_case():
    """Loss and, in the place of the logits, its gradient."""
    x = random((ROWS, COLUMNS), 13)
    labels = np.random.default_rng(14).integers(0, COLUMNS, ROWS).astype('int64')
    p = exact_softmax(x)
    loss = -np.log(p[np.arange(ROWS), labels]) / ROWS
    gradient = p.copy()
    gradient[np.arange(ROWS), labels] -= 1
    nothing = np.zeros(1, 'float32')
    arguments = [x, COLUMNS, labels, 1, nothing, np.zeros(ROWS, 'float32'), nothing, 1, nothing, 1, nothing, 1, COLUMNS,
                 float(ROWS), float(ROWS), float(ROWS), -100, 0.0]
    constants = {'lse_square_scale': 0.0, 'label_smoothing': 0.0, 'reduction': 'mean', 'RETURN_Z_LOSS': False,
                 'RETURN_TOKEN_ACCURACY': False, 'RETURN_PREDICTED_TOKENS': False, 'BLOCK_SIZE': 512,
                 'HAS_WEIGHT': False, 'HAS_SOFTCAPPING': False, 'HAS_GRADIENTS': True}
    return liger_case('cross_entropy', 'cross_entropy', 'liger_cross_entropy_kernel', arguments, constants,
                      {'0': (gradient / ROWS).astype('float32'), '5': loss.astype('float32')}, updates=('0',))


def rope_case():
    """Rotates 4 query and 2 key heads of 32 tokens in place."""
    tokens, query_heads, key_heads, width = 32, 4, 2, 64
    q, k = random((tokens, query_heads, width), 15), random((tokens, key_heads, width), 16)
    angles = np.arange(tokens)[:, None] / 10000 ** (np.arange(width // 2) / (width // 2))
    cos, sin = (np.tile(part, 2).astype('float32') for part in (np.cos(angles), np.sin(angles)))

    def rotated(x):
        half = np.concatenate([-x[..., width // 2:], x[..., :width // 2]], axis=-1).astype('float64')
        return (x.astype('float64') * cos[:, None] + half * sin[:, None]).astype('float32')

    arguments = [q, query_heads * width, k, key_heads * width, cos, width, sin, width, tokens]
    constants = {'bs': 1, 'cos_bs': 1, 'n_qh': query_heads, 'n_kh': key_heads, 'hd': width, 'pad_n_qh': query_heads,
                 'pad_n_kh': key_heads, 'pad_hd': width, 'pad_rd': width, 'rd': width, 'BLOCK_SIZE': query_heads,
                 'BACKWARD_PASS': False}
    return liger_case('rope', 'rope', '_triton_rope', arguments, constants, {'0': rotated(q), '2': rotated(k)},
                      updates=('0', '2'), grid=(tokens,))


def all_cases():
    sys.path.insert(0, SOURCES)
    return [*softmax_cases(), *matmul_cases(), *moe_cases(), *norm_cases(), *gate_cases(), cross_entropy_case(),
            rope_case()]
