#!/usr/bin/env python3
"""PyTorch at the experts of a token MoE layer, and at its routing: one mode in a process of its own (worker.py).

The numbers are those of a file that `switchyard bench moe --write-problem` wrote, whose float64 results every mode is
compared with. The work `training_DTYPE` is the way there and all gradients of the experts of routed tokens, the
routing given; `slots_float32` is gate logits to slots alone, `routing_float32` that, the rows there, and their sums back.
"""

import os
import warnings

import numpy as np
import safetensors_file
import torch
import worker
from torch.nn import functional as F

GROUPED = getattr(F, 'grouped_mm', None) or getattr(torch, '_grouped_mm', None)
LAYER = (['grouped_mm', 'compile grouped_mm'] if GROUPED else []) + ['sorted', 'mask_loop']  # the fastest first
ROUTING = ['index_add', 'gather', 'compile index_add', 'compile gather']
SLOTS = ['eager', 'compile']
MODES = {'training_float32': LAYER, 'training_bfloat16': LAYER, 'slots_float32': SLOTS, 'routing_float32': ROUTING}
ACTIVATIONS = {'relu': F.relu, 'gelu': F.gelu,
               'swiglu': lambda u: F.silu(u[:, :u.shape[1] // 2]) * u[:, u.shape[1] // 2:]}


class MoeProblem(worker.JudgedByRelativeError):
    """Holds the file's tensors; a bias would need more modes than there are and is not taken."""

    device = 'cpu'

    def __init__(self, directory):
        path = os.path.join(directory, 'problem.safetensors')
        self.arrays = safetensors_file.read(path)
        self.metadata = safetensors_file.read_metadata(path)
        if 'b_in' in self.arrays:
            raise ValueError('layers with biases are not compared')
        self.experts = int(self.metadata['experts'])

    def expected(self, work):
        """The float64 results {name: array}; of the routing those of numpy's stable sort."""
        a = self.arrays
        if work.startswith('training'):
            return {name: a[name] for name in ('y', 'grad.x', 'grad.weights', 'grad.w_in', 'grad.w_out')}
        k = a['indices'].shape[1]
        order = np.argsort(a['indices'].reshape(-1), kind='stable')
        if work.startswith('slots'):
            return {'weights': a['weights'], 'order': order, 'inverse': np.argsort(order, kind='stable'),
                    'ends': np.cumsum(np.bincount(a['indices'].reshape(-1), minlength=self.experts))}
        x = a['x'].astype(np.float64)
        return {'weights': a['weights'], 'rows': x[order // k], 'sums': x * a['weights'].sum(1, keepdims=True)}

    def tensor(self, name, dtype):
        return torch.from_numpy(self.arrays[name].copy()).to(dtype).to(self.device)


class Routes:
    """The assignments sorted by expert, as all modes but the mask loop need them."""

    def __init__(self, indices, experts):
        flat = indices.flatten()
        self.k = indices.shape[1]
        self.order = torch.argsort(flat, stable=True)
        self.tokens = self.order // self.k
        self.counts = torch.bincount(flat, minlength=experts)
        self.ends = torch.cumsum(self.counts, 0).to(torch.int32)


def mask_loop(x, weights, w_in, w_out, indices, act, _):
    """The published code's way: a mask for each expert, its rows alone, added up."""
    y = torch.zeros(x.shape[0], w_out.shape[1], dtype=x.dtype)
    for e in range(w_in.shape[0]):
        token, choice = torch.where(indices == e)
        if len(token) == 0:
            continue
        out = F.linear(act(F.linear(x[token], w_in[e])), w_out[e])
        y = y.index_add(0, token, out * weights[token, choice].unsqueeze(1))
    return y


def weighed_sum(out, weights, routes, tokens):
    weighed = out * weights.flatten()[routes.order].unsqueeze(1)
    return torch.zeros(tokens, out.shape[1], dtype=out.dtype).index_add(0, routes.tokens, weighed)


def sorted_loop(x, weights, w_in, w_out, _, act, routes):
    """One product per expert over rows sorted by expert."""
    pieces = x[routes.tokens].split(routes.counts.tolist())
    out = torch.cat([F.linear(act(F.linear(rows, w_in[e])), w_out[e]) for e, rows in enumerate(pieces)])
    return weighed_sum(out, weights, routes, x.shape[0])


def grouped(x, weights, w_in, w_out, _, act, routes):
    u = GROUPED(x[routes.tokens], w_in.transpose(1, 2), offs=routes.ends)
    out = GROUPED(act(u), w_out.transpose(1, 2), offs=routes.ends)
    return weighed_sum(out, weights, routes, x.shape[0])


FORMS = {'mask_loop': mask_loop, 'sorted': sorted_loop, 'grouped_mm': grouped}


def training(problem, dtype, words):
    names = ['x', 'weights', 'w_in', 'w_out']
    inputs = [problem.tensor(name, dtype).requires_grad_() for name in names]
    gy = problem.tensor('gy', dtype)
    indices = problem.tensor('indices', torch.int64)
    routes = Routes(indices, problem.experts)
    act = ACTIVATIONS[problem.metadata['activation']]
    form = FORMS[words[-1]]
    if 'compile' in words:
        form = torch.compile(form)

    def body():
        y = form(*inputs, indices, act, routes)
        return y, torch.autograd.grad(y, inputs, gy)

    def result(value):
        y, gradients = value
        named = {'y': y, **{f'grad.{name}': g for name, g in zip(names, gradients)}}
        return {name: tensor.detach().to(torch.float64).cpu().numpy() for name, tensor in named.items()}

    return body, result


def inverse_of(order):
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order))
    return inverse


def slots(problem, words):
    logits = problem.tensor('logits', torch.float32)
    k = problem.arrays['indices'].shape[1]

    def way(logits):
        values, indices = torch.topk(logits, k)
        routes = Routes(indices, problem.experts)
        return torch.softmax(values, 1), routes.order, inverse_of(routes.order), routes.ends

    return without_gradients(torch.compile(way) if 'compile' in words else way, (logits,)), \
        lambda value: dict(zip(('weights', 'order', 'inverse', 'ends'), (each.cpu().numpy() for each in value)))


def without_gradients(run, inputs):
    def body():
        with torch.inference_mode():
            return run(*inputs)

    return body


def routing(problem, words):
    logits, x = problem.tensor('logits', torch.float32), problem.tensor('x', torch.float32)
    k = problem.arrays['indices'].shape[1]

    def way(logits, x):
        values, indices = torch.topk(logits, k)
        weights = torch.softmax(values, 1)
        routes = Routes(indices, problem.experts)
        rows = x[routes.tokens]
        if 'index_add' in words:
            return weights, rows, routes.ends, weighed_sum(rows, weights, routes, x.shape[0])
        sums = (rows[inverse_of(routes.order)].view(x.shape[0], k, -1) * weights.unsqueeze(2)).sum(1)
        return weights, rows, routes.ends, sums

    body = without_gradients(torch.compile(way) if 'compile' in words else way, (logits, x))
    return body, lambda value: {name: value[place].cpu().numpy() for name, place in
                                (('weights', 0), ('rows', 1), ('sums', 3))}


def prepare(problem, work, words):
    if work.startswith('slots'):
        return slots(problem, words)
    if work.startswith('routing'):
        return routing(problem, words)
    return training(problem, getattr(torch, work.split('_')[1]), words)


def on_cuda(problem, work, words):
    """prepare() whose calls wait for the GPU."""
    body, result = prepare(problem, work, words)

    def waiting():
        value = body()
        torch.cuda.synchronize()
        return value

    return waiting, result


def main():
    warnings.simplefilter('ignore')
    options = worker.arguments(__doc__, torch.__version__, MODES, ('cpu', 'cuda'))
    torch.set_num_threads(options.threads)
    if options.device == 'cuda':
        torch.set_default_device('cuda')
        MoeProblem.device = 'cuda'
    worker.serve(on_cuda if options.device == 'cuda' else prepare, options, MoeProblem)


if __name__ == '__main__':
    main()
