#!/usr/bin/env python3
"""Trains tiny runs with the program, loads their directories in PyTorch and compares logits with `switchyard probe`.

Every head takes part, with fields away from their defaults. Exits with 1 where anything differs or does not load.
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
from probe_compare import relative_error
from pytorch_model import load_run

HEADS = [
    {'name': 'dense', 'width': 32},
    {'name': 'soft_moe', 'balance': 0.05, 'router_z': 0.01},
    {'name': 'sparse_moe', 'switch_balance': 0.1, 'router_order': 'softmax_topk', 'capacity': 3},
    {'name': 'hard_moe', 'load_estimator': 'smooth', 'experts': 4},
]


def write_cifar10(directory, random):
    """A data set of noise in CIFAR-10's binary format: five training files and one of test images."""
    for name in [f'data_batch_{i}' for i in range(1, 6)] + ['test_batch']:
        records = random.integers(0, 256, (10000, 3073), np.uint8)
        records[:, 0] %= 10
        records.tofile(os.path.join(directory, f'{name}.bin'))


def train(program, head, data, out):
    config = {'model': {'backbone': {'name': 'small', 'initialisation': 'torchvision'}, 'head': head},
              'data': {'train_limit': 40, 'validation': 20, 'test_limit': 10}, 'batch_size': 20,
              'evaluation_batch_size': 20, 'epochs': 1}
    with open(out + '.json', 'w') as file:
        json.dump(config, file)
    subprocess.run([program, 'train', '--config', out + '.json', '--data', data, '--out', out],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def logits_of_program(program, run, images, directory):
    batch, out = (os.path.join(directory, f'{name}.safetensors') for name in ('batch', 'out'))
    safetensors_file.write(batch, {'images': images, 'labels': np.zeros(len(images), np.int64)})
    with open(os.path.join(run, 'config.json')) as file:
        model = json.load(file)['model']
    subprocess.run([program, 'probe', '--model', json.dumps(model), '--weights', os.path.join(run, 'best.safetensors'),
                    '--batch', batch, '--out', out, '--dtype', 'float64'], check=True, stdout=subprocess.DEVNULL)
    return safetensors_file.read(out)['logits']


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--program', default='build/release/switchyard')
    parser.add_argument('--tolerance', type=float, default=1e-9)
    options = parser.parse_args()
    random = np.random.default_rng(1)
    images = random.standard_normal((8, 3, 32, 32)).astype(np.float32)
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        write_cifar10(directory, random)
        for head in HEADS:
            run = os.path.join(directory, head['name'])
            train(options.program, head, directory, run)
            with torch.no_grad():
                logits, _ = load_run(run).double()(torch.from_numpy(images).double())
            error = relative_error(logits.numpy(), logits_of_program(options.program, run, images, directory))
            failed |= not error <= options.tolerance
            print(f'{head["name"]:<12} logits of a run loaded in PyTorch: relative error {error:.1e}'
                  + ('' if error <= options.tolerance else '   DIFFERS'), flush=True)
    sys.exit(failed)


if __name__ == '__main__':
    main()
