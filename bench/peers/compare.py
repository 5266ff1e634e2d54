#!/usr/bin/env python3
"""Times Switchyard and PyTorch on the same work in the same run, in turns, and prints the ratios.

The first turn tries every PyTorch variant (memory layout, frozen or not) and keeps the fastest; the other
turns measure it and ours one after the other. A ratio above 1 means that Switchyard is faster, or smaller.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Sides:
    """Runs one measurement in a process of its own, so that neither side's memory or threads disturb
    the other."""

    def __init__(self, options):
        self.options = options
        self.environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))

    def run(self, command):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=self.environment, text=True)
        return done.stdout

    def ours(self, name, batch, repeats):
        out = self.run([self.options.program, name, '--batch', str(batch), '--repeats', str(repeats),
                        '--seconds', '0', '--threads', str(self.options.threads)])
        return {entry['name']: entry for entry in json.loads(out)['benchmarks']}

    def theirs(self, name, batch, repeats, variants=()):
        command = [sys.executable, os.path.join(HERE, f'{name}.py'), '--batch', str(batch), '--threads',
                   str(self.options.threads), '--repeats', str(repeats)]
        for variant in variants:
            command += ['--variant', variant]
        return [json.loads(line) for line in self.run(command).splitlines() if line.startswith('{')]

    def best_variant(self, name, batch, repeats):
        tried = self.theirs(name, batch, repeats)
        for entry in tried:
            print(f'  PyTorch {name}, {entry["variant"]}: {statistics.median(entry["seconds"]):.3f} s', flush=True)
        return min(tried, key=lambda entry: statistics.median(entry['seconds']))['variant']


def row(label, ours, theirs, target=None, unit='s'):
    """`ours` and `theirs` hold one number per turn."""
    ratio = statistics.median(t / o for o, t in zip(ours, theirs))
    verdict = '' if target is None else f'   target {target:.2f}: {"met" if ratio >= target else "MISSED"}'
    print(f'{label:<34}{statistics.median(ours):>10.3f} {unit:<4}{statistics.median(theirs):>10.3f} {unit:<4}'
          f'{ratio:>8.2f}x{verdict}', flush=True)


def compare_step(sides, options):
    variant = sides.best_variant('train_step', options.batch, 2)
    ours, theirs, our_memory, their_memory = [], [], [], []
    for _ in range(options.turns):
        mine = sides.ours('train_step', options.batch, 4)['train_step']
        peer = sides.theirs('train_step', options.batch, 4, [variant])[0]
        ours.append(mine['seconds']['median'])
        theirs.append(statistics.median(peer['seconds']))
        our_memory.append(mine['peak_resident_bytes'] / 2**20)
        their_memory.append(peer['peak_resident_bytes'] / 2**20)
    row(f'training step, batch {options.batch}', ours, theirs, target=1.1)
    row('  peak resident memory', our_memory, their_memory, target=1.0, unit='MiB')
    return statistics.median(ours)


def compare_inference(sides, options, batch, target):
    variant = sides.best_variant('inference', batch, 5)
    ours, theirs = [], []
    for _ in range(options.turns):
        ours.append(sides.ours('inference', batch, 7)['inference']['seconds']['median'])
        theirs.append(statistics.median(sides.theirs('inference', batch, 7, [variant])[0]['seconds']))
    row(f'inference, batch {batch}', ours, theirs, target)
    return statistics.median(ours)


def compare_hvp(sides, options):
    """PyTorch's product takes a minute or more: each of its variants runs once."""
    mine = sides.ours('hvp', options.batch, 3)
    tried = {entry['variant']: entry['seconds'][0] for entry in sides.theirs('hvp', options.batch, 1)}
    for variant, seconds in tried.items():
        print(f'  PyTorch hvp, {variant}: {seconds:.3f} s')
    for label, ours, prefix in (('from scratch', 'hvp_from_scratch', 'scratch'),
                                ('on a kept graph', 'hvp_kept_graph', 'kept')):
        theirs = min(seconds for variant, seconds in tried.items() if variant.startswith(prefix))
        row(f'Hessian product {label}', [mine[ours]['seconds']['median']], [theirs], target=8.0)
    gradient = mine['gradient']['seconds']['median']
    print(f'our gradient: {gradient:.3f} s')
    for name in ('hvp_from_scratch', 'hvp_kept_graph'):
        print(f'  {name}: {mine[name]["gradients"]:.2f} gradients')
    return {name: mine[name]['seconds']['median'] for name in ('hvp_from_scratch', 'hvp_kept_graph')}


def print_bounds(bound, measured):
    print(f'convolutions alone, the faster of two layouts: {bound["multiply_adds"] / 1e9:.1f} G multiply-adds a pass')
    for label, key in (('train_step', 'train_step_bound_seconds'), ('inference', 'forward_seconds'),
                       ('hvp_from_scratch', 'hvp_from_scratch_bound_seconds'),
                       ('hvp_kept_graph', 'hvp_kept_graph_bound_seconds')):
        if label in measured:
            print(f'  {label:<18} bound {bound[key]:>7.3f} s, measured {measured[label]:>7.3f} s, '
                  f'{100.0 * bound[key] / measured[label]:.0f} % of it in convolutions at best')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', action='append', choices=['train_step', 'inference', 'hvp'],
                        help='all if none is named')
    parser.add_argument('--program', default='build/release/switchyard_bench')
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    options = parser.parse_args()
    chosen = options.only or ['train_step', 'inference', 'hvp']
    sides = Sides(options)

    print(f'{"":<34}{"Switchyard":>15}{"PyTorch":>15}{"ratio":>9}')
    measured = {}
    if 'train_step' in chosen:
        measured['train_step'] = compare_step(sides, options)
    if 'inference' in chosen:
        compare_inference(sides, options, 1, None)
        measured['inference'] = compare_inference(sides, options, options.batch, 1.2)
    if 'hvp' in chosen:
        measured.update(compare_hvp(sides, options))
    print_bounds(sides.ours('convolutions', options.batch, 3)['convolutions'], measured)


if __name__ == '__main__':
    main()
