#!/usr/bin/env python3
"""Times Switchyard, PyTorch and JAX on the same work in the same run, in turns, and prints the ratios.

Every mode of a peer first computes what the program computes from the same weights and images: where it differs,
the error is printed and no time. The fastest mode of those that agree is the peer; the others are shown. Then all
sides are timed in turns. A ratio above 1 means that Switchyard is faster, or smaller. readme_table.py makes
README's table of the results.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import curvature_compare
import moe_compare
from peer_process import Peer, Worker

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = '{"backbone": {"name": "resnet18"}, "head": {"name": "dense", "dropout": 0.0}}'
# Groups of work that one call of switchyard_bench times together: (its name, kinds of work, calls a turn).
GROUPS = {
    'train_step': ('train_step', ['train_step'], 3),
    'hvp': ('hvp', ['gradient', 'hvp_from_scratch', 'hvp_kept_graph'], 2),
    'inference': ('inference', ['inference'], 5),
}
LAYOUTS = {'contiguous', 'channels_last'}  # of PyTorch, the last word of a mode
FAR = 2  # times the best mode's seconds, beyond which a mode is not called again
# Relative errors of float32 between two programs that are both right: rounding switches some units of a ReLU, and each
# switch changes derivatives by all of its share.
TOLERANCE = {'train_step': 2e-2, 'gradient': 2e-2, 'hvp_from_scratch': 5e-2, 'hvp_kept_graph': 5e-2, 'inference': 1e-4}


class Comparison:
    def __init__(self, options):
        self.options = options
        self.start = time.monotonic()
        self.model = json.loads(options.model)
        # libgomp's own choice for the peers, whose threads may spin: they are alone while they are timed.
        self.environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), MKL_NUM_THREADS=str(options.threads))
        self.environment.setdefault('TORCHINDUCTOR_CACHE_DIR', os.path.abspath(options.cache))
        self.peers = [peer for peer in (Peer('PyTorch', 'torch_worker.py', self.environment),
                                        Peer('JAX', 'jax_worker.py', self.environment)) if peer.modes]
        self.rows = []
        self.moe_rows = []
        self.curvature_rows = []

    def note(self, text):
        print(f'[{time.monotonic() - self.start:5.0f} s] {text}', flush=True)

    def make_problem(self, batch, directory, modes, model=None, steps=0):
        """Weights, images and what the program makes of them in evaluation or training mode."""
        model = json.dumps(model or self.model)
        self.run([sys.executable, os.path.join(HERE, 'make_problem.py'), '--model', model,
                  '--batch', str(batch), '--out', directory, '--steps', str(steps)])

        def path(name):
            return os.path.join(directory, f'{name}.safetensors')

        for mode in modes:
            self.run([os.path.join(self.options.programs, 'switchyard'), 'probe', '--model', model,
                      '--weights', path('weights'), '--batch', path('batch'), '--out', path(mode), '--mode', mode,
                      '--loss', 'objective' if mode == 'train' else 'cross_entropy'])

    def run(self, command):
        done = subprocess.run(command, stdout=subprocess.PIPE, env=self.environment, text=True)
        if done.returncode != 0:
            sys.exit(f'compare.py: {os.path.basename(command[0])} failed with exit code {done.returncode}')
        return done.stdout

    def ours(self, name, batch, repeats, model=None):
        out = self.run([os.path.join(self.options.programs, 'switchyard_bench'), name, '--batch', str(batch),
                        '--repeats', str(repeats), '--seconds', '0', '--threads', str(self.options.threads)]
                       + ([] if name == 'convolutions' else ['--model', json.dumps(model or self.model)]))
        return {entry['name']: entry for entry in json.loads(out)['benchmarks']}

    def leaves_out(self, mode, fastest):
        """Compiled modes take a minute each and choose the convolutions' layouts themselves: they are tried on the
        layout of the fastest mode before them."""
        if self.leaves_out_layout(mode):
            return True
        if 'compile' not in mode:
            return False
        return self.options.no_compile or (fastest is not None and not self.options.every_layout
                                      and mode.split()[-1] != fastest.split()[-1])

    def leaves_out_layout(self, mode):
        return self.options.layout is not None and mode.split()[-1] in LAYOUTS - {self.options.layout}

    @staticmethod
    def try_out(worker, repeats, best):
        """Seconds of a call; one call is enough of a mode that is far from the best one so far."""
        seconds = worker.times(1)['seconds']
        if repeats > 1 and not (best and seconds[0] > FAR * best):
            seconds += worker.times(repeats - 1)['seconds']
        return statistics.median(seconds)

    def choose(self, peer, work, directory, repeats, tolerance):
        """(worker of the fastest mode that agrees, or None; what came of every mode)."""
        best, tried = None, []
        for mode in peer.modes[work]:
            if self.leaves_out(mode, best and best[0].mode):
                continue
            began = time.monotonic()
            worker = Worker(peer, work, mode, directory, self.options)
            entry = {'mode': mode, **worker.ready(tolerance)}
            if 'failed' not in entry:
                entry['seconds'] = self.try_out(worker, repeats, best and best[1])
                entry['set_up_seconds'] = time.monotonic() - began
            tried.append(entry)
            self.note(f'  {peer.name} {work}, {mode}: ' + (
                entry.get('failed') or f'{entry["seconds"]:.4f} s, relative error {entry["error"]:.1e}, '
                                       f'ready and tried in {entry["set_up_seconds"]:.0f} s'))
            if 'seconds' in entry and (best is None or entry['seconds'] < best[1]):
                if best:
                    best[0].stop()
                best = (worker, entry['seconds'])
            else:
                worker.stop()
        return (best[0] if best else None), tried

    def group(self, group, batch, directory):
        name, works, repeats = GROUPS[group]
        repeats = repeats if batch > 1 else 4 * repeats
        repeats = min(repeats, self.options.repeats or repeats)
        chosen, tried = {}, {}
        for work in works:
            for peer in self.peers:
                worker, tried[work, peer.name] = self.choose(peer, work, directory, repeats,
                                                           TOLERANCE[work])
                if worker:
                    chosen[work, peer.name] = worker
        turns = []
        for _ in range(self.options.turns):
            turn = {(work, None): entry for work, entry in self.ours(name, batch, repeats).items()}
            for key, worker in chosen.items():
                turn[key] = worker.times(repeats)
            turns.append(turn)
        for worker in chosen.values():
            worker.stop()
        for work in works:
            self.rows.append(self.row(work, batch, turns, chosen, tried))
            print_row(self.rows[-1])

    def row(self, work, batch, turns, chosen, tried):
        ours = [turn[work, None]['seconds']['median'] for turn in turns]
        row = {'work': work, 'batch': batch, 'seconds': statistics.median(ours), 'turns': ours,
               'peak_resident_bytes': turns[-1][work, None].get('peak_resident_bytes'), 'peers': {}}
        for peer in self.peers:
            entry = row['peers'][peer.name] = {'tried': tried[work, peer.name]}
            if (work, peer.name) in chosen:
                theirs = [statistics.median(turn[work, peer.name]['seconds']) for turn in turns]
                entry.update(mode=chosen[work, peer.name].mode, seconds=statistics.median(theirs), turns=theirs,
                             ratio=statistics.median(t / o for o, t in zip(ours, theirs)),
                             peak_resident_bytes=turns[-1][work, peer.name]['peak_resident_bytes'])
        return row

    def results(self, bounds):
        program = json.loads(self.run([os.path.join(self.options.programs, 'switchyard'), 'version', '--json']))
        return {'machine': program, 'threads': self.options.threads, 'device': self.options.device, 'model': self.model,
                'peers': {peer.name: {'version': peer.version, 'source': self.options.source if peer.name == 'PyTorch'
                                      else 'PyPI'} for peer in self.peers},
                'rows': self.rows, 'moe': self.moe_rows, 'moe_sizes': moe_compare.sizes_of(self.options),
                'curvature': self.curvature_rows, 'curvature_packages': curvature_compare.package_versions(),
                'convolutions': bounds, 'minutes': (time.monotonic() - self.start) / 60}


def print_row(row):
    print(f'{row["work"]:<18} batch {row["batch"]:<4} Switchyard {row["seconds"]:.4f} s', flush=True)
    for name, peer in row['peers'].items():
        print(f'{"":<30}{name:<10} ' + (f'{peer["seconds"]:.4f} s   {peer["ratio"]:.2f}x   {peer["mode"]}'
                                        if 'mode' in peer else 'no mode that works and agrees'), flush=True)


def print_bounds(bound, rows):
    print(f'convolutions alone, the faster of two layouts: {bound["multiply_adds"] / 1e9:.1f} G multiply-adds a pass')
    for work, key in (('train_step', 'train_step_bound_seconds'), ('inference', 'forward_seconds'),
                      ('hvp_from_scratch', 'hvp_from_scratch_bound_seconds'),
                      ('hvp_kept_graph', 'hvp_kept_graph_bound_seconds')):
        for row in rows:
            if row['work'] == work and row['batch'] == bound['batch']:
                print(f'  {work:<18} {bound[key]:>7.3f} s, all of it {row["seconds"]:>7.3f} s')


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', action='append', choices=[*GROUPS, 'moe', 'curvature'], help='all if none is named')
    parser.add_argument('--programs', default='build/release', help='folder of switchyard and switchyard_bench')
    parser.add_argument('--model', help="a configuration's model object (ResNet-18, dense head, no dropout; of the "
                        'curvature the small backbone too)')
    parser.add_argument('--images', type=int, help='of the curvature (32 of ResNet-18, 256 of the small backbone)')
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--repeats', type=int, help='timed calls a turn at most')
    parser.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--limit', type=int, default=600, help='seconds that a mode may take to be ready')
    parser.add_argument('--quick', action='store_true', help='--no-compile, a small MoE layer, small curvature')
    parser.add_argument('--no-compile', action='store_true', help='leave out torch.compile')
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu', help='cuda: with --only moe')
    parser.add_argument('--experts', type=int, action='append', help='of the MoE layer (8 and 64)')
    parser.add_argument('--distribution', action='append', help='of its tokens (balanced and zipf)')
    parser.add_argument('--layout', choices=sorted(LAYOUTS), help="PyTorch's images in this memory layout alone")
    parser.add_argument('--every-layout', action='store_true', help='torch.compile in both memory layouts')
    parser.add_argument('--json', default='build/peers/results.json', help='where the results go')
    parser.add_argument('--cache', default='build/peers/compiled', help='where torch.compile keeps what it compiled')
    parser.add_argument('--source', default='PyPI', help='where PyTorch comes from, for the table')
    options = parser.parse_args()
    options.no_compile = options.no_compile or options.quick
    options.model_given = options.model is not None
    options.model = options.model or MODEL
    if options.device != 'cpu' and options.only != ['moe']:
        parser.error('--device: on a GPU the MoE layer alone is compared: --only moe')
    return options


def main():
    options = parse_arguments()
    comparison = Comparison(options)
    for peer in comparison.peers:
        comparison.note(f'{peer.name} {peer.version}')
    os.makedirs(os.path.dirname(os.path.abspath(options.json)), exist_ok=True)
    asked = options.only or [*GROUPS, 'moe', 'curvature']
    if 'moe' in asked:
        comparison.moe_rows = moe_compare.compare(comparison)
    if 'curvature' in asked:
        comparison.curvature_rows = curvature_compare.compare(comparison)
    for batch in sorted({1, options.batch}):
        groups = [group for group in GROUPS if group in asked and (batch == options.batch or group == 'inference')]
        if not groups:
            continue
        with tempfile.TemporaryDirectory() as directory:
            comparison.make_problem(batch, directory, ['eval', 'train'] if 'train_step' in groups else ['eval'])
            for group in groups:
                comparison.group(group, batch, directory)
    bounds = {}
    if comparison.rows and comparison.model.get('backbone', {}).get('name', 'resnet18') == 'resnet18':
        bounds = comparison.ours('convolutions', options.batch, 3)['convolutions']
        print_bounds(bounds, comparison.rows)
    with open(options.json, 'w') as file:
        json.dump(comparison.results(bounds), file, indent=2)
    comparison.note(f'results: {options.json}')


if __name__ == '__main__':
    main()
