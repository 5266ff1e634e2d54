#!/usr/bin/env python3
"""Compares `switchyard probe` with PyTorch in float64 on random weights and images.

For each backbone, head, loss and mode: logits, loss, gate, every gradient and every Hessian-vector product,
within a relative error per tensor. Training mode is compared without dropout and gate noise, whose random
numbers differ: what is left is batch normalisation by batch statistics. Prints a table; exits with 1 where
anything differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import safetensors_file
import torch
from pytorch_model import BACKBONES, HEADS, Classifier
from torch.nn import functional as F

NO_DROPOUT = {'dropout': 0.0}
NO_GATE_DROPOUT = dict(NO_DROPOUT, gate_input_dropout=0.0, gate_logits_dropout=0.0)

# Per head: options, mode, and loss. The objective is the cross-entropy with the balance losses.
CASES = {
    'dense': [({}, 'eval', 'cross_entropy'), (NO_DROPOUT, 'train', 'cross_entropy')],
    'soft_moe': [({}, 'eval', 'cross_entropy'), (dict(NO_GATE_DROPOUT, balance=0.05, router_z=0.01), 'train', 'objective')],
    'sparse_moe': [({}, 'eval', 'cross_entropy'), ({}, 'eval', 'objective'),
                   ({'router_order': 'softmax_topk', 'switch_balance': 0.1, 'router_z': 0.01, 'capacity': 2},
                    'eval', 'objective'),
                   ({'router_order': 'softmax_topk_renormalized', 'importance': 0.0, 'load': 0.0, 'top_k': 3},
                    'eval', 'objective')],
    'hard_moe': [({}, 'eval', 'cross_entropy'), ({'temperature': 0.5}, 'eval', 'objective')],
}


def random_model(config, seed):
    """Default initialisation; batch norm as after training, not as at its start, where its running
    statistics and scales would hide a mistake."""
    torch.manual_seed(seed)
    model = Classifier(**config)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0.0, 0.2)
                module.running_mean.normal_(0.0, 0.3)
                module.running_var.uniform_(0.5, 2.0)
                module.num_batches_tracked.fill_(7)
    return model


def random_batch(model, size, seed):
    """float32 numbers, so that both sides start from the same ones in float64."""
    torch.manual_seed(seed)
    batch = {'images': torch.randn(size, 3, 32, 32).numpy(),
             'labels': torch.randint(0, 10, (size,)).numpy()}
    for name, parameter in model.named_parameters():
        batch[f'direction.{name}'] = torch.randn_like(parameter).numpy()
    return batch


def expected(model, batch, mode, loss_name):
    """Returns what the probe should write, by PyTorch in float64."""
    model = model.double().train(mode == 'train')
    names, parameters = zip(*model.named_parameters())
    logits, gate = model(torch.from_numpy(batch['images']).double())
    loss = F.cross_entropy(logits, torch.from_numpy(batch['labels']))
    if loss_name == 'objective' and 'balance_loss' in gate:
        loss = loss + gate['balance_loss']
    tensors = {'logits': logits, 'loss': loss}
    if 'balance_loss' in gate:
        tensors['balance_loss'] = gate['balance_loss']
    for key in ('probs', 'indices'):
        if key in gate:
            tensors[f'gate.{key}'] = gate[key]
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
    v = [torch.from_numpy(batch[f'direction.{name}']).double() for name in names]
    used = [(g, d) for g, d in zip(gradients, v) if g is not None and g.requires_grad]
    products = torch.autograd.grad([g for g, _ in used], parameters, [d for _, d in used], allow_unused=True)
    for name, parameter, g, h in zip(names, parameters, gradients, products):
        tensors[f'grad.{name}'] = torch.zeros_like(parameter) if g is None else g
        tensors[f'hvp.{name}'] = torch.zeros_like(parameter) if h is None else h
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def probe(program, config, model, batch, mode, loss_name, directory):
    weights, images, out = (os.path.join(directory, f'{name}.safetensors') for name in ('weights', 'batch', 'out'))
    safetensors_file.write(weights, {name: tensor.numpy() for name, tensor in model.state_dict().items()})
    safetensors_file.write(images, batch)
    subprocess.run([program, 'probe', '--model', json.dumps(config), '--weights', weights, '--batch', images,
                    '--out', out, '--dtype', 'float64', '--mode', mode, '--loss', loss_name],
                   check=True, stdout=subprocess.DEVNULL)
    return safetensors_file.read(out)


def relative_error(got, want):
    """Norm of the difference over the norm of what is right; 0 where both are zero."""
    if got.shape != want.shape:
        return float('inf')
    difference, size = np.linalg.norm((got - want).ravel()), np.linalg.norm(want.ravel())
    return difference if size == 0.0 else difference / size


def compare(got, want, tolerance):
    """(worst relative error and its tensor per kind of tensor, complaints)."""
    complaints = [f'{name}: only on one side' for name in sorted(got.keys() ^ want.keys())]
    worst = {}
    for name in sorted(got.keys() & want.keys()):
        kind = name.split('.')[0]
        error = relative_error(got[name], want[name])
        if not error <= worst.get(kind, (-1.0, ''))[0]:
            worst[kind] = (error, name)
        if not error <= tolerance:
            complaints.append(f'{name}: relative error {error:.2e}')
    return worst, complaints


def parse_arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--program', default='build/release/switchyard')
    parser.add_argument('--batch', type=int, default=6)
    parser.add_argument('--tolerance', type=float, default=1e-9)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    parser.add_argument('--backbone', action='append', choices=BACKBONES)
    parser.add_argument('--head', action='append', choices=HEADS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    return options


def compare_cases(options, peer, cases, expected_by_peer):
    """Prints a table and returns the exit status. `expected_by_peer(model, config, batch, mode, loss_name)` says
    what the probe should write; `cases` is {head: [(options, mode, loss name)]}."""
    kinds = ['logits', 'loss', 'balance_loss', 'gate', 'grad', 'hvp']
    print(f'largest relative error per tensor, float64, {options.batch} images, {peer}')
    print(f'{"backbone":<10}{"head":<12}{"mode":<7}{"loss":<15}{"tensors":>7}'
          + ''.join(f'{kind:>13}' for kind in kinds))
    failures = []
    for backbone in options.backbone or BACKBONES:
        for head in options.head or cases:
            for head_options, mode, loss_name in cases[head]:
                config = {'backbone': {'name': backbone, 'in_channels': 3}, 'head': {'name': head, **head_options}}
                model = random_model(config, options.seed)
                batch = random_batch(model, options.batch, options.seed + 1)
                with tempfile.TemporaryDirectory() as directory:
                    got = probe(options.program, config, model, batch, mode, loss_name, directory)
                want = expected_by_peer(model, config, batch, mode, loss_name)
                worst, complaints = compare(got, want, options.tolerance)
                cells = ''.join(f'{worst[kind][0]:>13.1e}' if kind in worst else f'{"":>13}' for kind in kinds)
                print(f'{backbone:<10}{head:<12}{mode:<7}{loss_name:<15}{len(got):>7}{cells}', flush=True)
                failures += [f'{backbone} {head} {mode} {loss_name}: {complaint}' for complaint in complaints]
    print('\n'.join(failures) if failures else f'all within {options.tolerance:g}')
    return int(bool(failures))


def main():
    options = parse_arguments(__doc__)
    sys.exit(compare_cases(options, f'torch {torch.__version__}', CASES,
                           lambda model, config, *rest: expected(model, *rest)))


if __name__ == '__main__':
    main()
