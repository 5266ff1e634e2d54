"""The part of compare.py that is about curvature: one product, and the largest eigenvalue and the trace, of the program
beside PyTorch's packages for them and its own products."""

import contextlib
import importlib.metadata
import json
import os
import statistics
import tempfile
import time

from peer_process import Peer, Worker

# Images, and the steps that a model is trained on them.
CASES = {'resnet18': (32, 20), 'small': (256, 60)}
QUICK = {'small': (32, 40)}
PACKAGES = {'hessian-eigenthings': 'hessian-eigenthings', 'curvlinops': 'curvlinops-for-pytorch',
            'PyHessian': 'PyHessian'}  # as modes call them, and on PyPI
TOLERANCE, VECTORS = 1e-3, 10
PRODUCT_TOLERANCE = 5e-2  # of float32 products, as in compare.py
AGREES = 1.0  # distance in units of the stated errors
REPEATS = 5  # of a product: one disturbed call must not be the median


def way_of(mode):
    """A mode without its memory layout."""
    return ' '.join(mode.split()[:-1])


def is_package(mode):
    return mode.split()[0] in PACKAGES


def best_modes(tried):
    """Of products that were tried: each package's fastest layout, and the fastest of PyTorch's own, fastest first."""
    fastest = {}
    for entry in sorted((entry for entry in tried if 'seconds' in entry), key=lambda entry: entry['seconds']):
        fastest.setdefault(way_of(entry['mode']) if is_package(entry['mode']) else 'PyTorch', entry['mode'])
    return list(fastest.values())


def our_estimates(document):
    """What `switchyard hessian --json` printed as curvature.Estimates has it."""
    top, trace = document['largest_eigenvalue'], document['trace']
    return {'eigenvalue': top['value'], 'eigenvalue_error': top['residual'], 'trace': trace['mean'],
            'trace_error': trace['standard_error'], 'products': top['iterations'] + 1 + trace['products']}


class Case:
    """One model on so many images."""

    def __init__(self, comparison, model, images, steps):
        self.comparison, self.options = comparison, comparison.options
        self.model, self.images, self.steps = model, images, steps
        self.name = model.get('backbone', {}).get('name', 'resnet18')

    def ours(self, directory):
        """Our estimates; the seconds are those of the whole program, from its start to its end."""
        def path(name):
            return os.path.join(directory, name)

        start = time.monotonic()
        out = self.comparison.run(
            [os.path.join(self.options.programs, 'switchyard'), 'hessian', '--json', '--model', path('model.json'),
             '--weights', path('weights.safetensors'), '--batch', path('images.safetensors'),
             '--threads', str(self.options.threads), '--set', f'batch_size={self.images}',
             '--set', f'curvature.tolerance={TOLERANCE}', '--set', f'curvature.trace_samples={VECTORS}'])
        return {**our_estimates(json.loads(out)), 'seconds': time.monotonic() - start}

    def prepare(self, directory):
        self.comparison.make_problem(self.images, directory, ['eval'], self.model, self.steps)
        ours = self.ours(directory)
        with open(os.path.join(directory, 'estimates.json'), 'w') as file:
            json.dump({'tolerance': TOLERANCE, 'vectors': VECTORS, 'ours': ours}, file)
        self.comparison.note(f'  {self.name}, {self.images} images: Switchyard {estimates_text(ours)}')
        return ours

    def try_mode(self, peer, work, mode, directory, tolerance):
        """(worker, what came of the mode); the worker is stopped where the mode failed."""
        worker = Worker(peer, work, mode, directory, self.options)
        entry = {'mode': mode, **worker.ready(tolerance)}
        if 'failed' in entry:
            worker.stop()
        elif 'seconds' not in entry:
            entry['seconds'] = statistics.median(worker.times(REPEATS)['seconds'])
        self.comparison.note(f'  {self.name} {work}, {mode}: ' + (entry.get('failed') or (
            estimates_text(entry) if 'products' in entry else
            f'{entry["seconds"]:.4f} s, relative error {entry["error"]:.1e}')))
        return worker, entry

    def products(self, peer, directory):
        """What came of one product in every mode; of ours on a kept graph and from scratch."""
        tried = []
        for mode in peer.modes['curvature_product']:
            if self.comparison.leaves_out_layout(mode) or ('compile' in mode and self.options.no_compile):
                continue
            worker, entry = self.try_mode(peer, 'curvature_product', mode, directory, PRODUCT_TOLERANCE)
            if 'failed' not in entry:
                worker.stop()
            tried.append(entry)
        timed = self.comparison.ours('hvp', self.images, REPEATS, self.model)
        return {'tried': tried, 'seconds': timed['hvp_kept_graph']['seconds']['median'],
                'seconds_from_scratch': timed['hvp_from_scratch']['seconds']['median']}

    def estimates(self, peer, modes, ours, directory):
        """Estimates of these modes and ours; the fastest that agrees once more in turns with ours."""
        workers, tried = {}, []
        for mode in modes:
            worker, entry = self.try_mode(peer, 'curvature_estimates', mode, directory, AGREES)
            if 'failed' not in entry:
                workers[mode] = worker
            tried.append(entry)
        agreeing = [entry for entry in tried if 'failed' not in entry]
        turns = []
        if agreeing:
            fastest = min(agreeing, key=lambda entry: entry['seconds'])['mode']
            for _ in range(self.options.turns):
                turns.append((self.ours(directory)['seconds'], workers[fastest].times(1)['seconds'][0]))
        for worker in workers.values():
            worker.stop()
        return estimates_row(ours, tried, turns)

    def run(self, peer):
        with tempfile.TemporaryDirectory() as directory:
            ours = self.prepare(directory)
            products = self.products(peer, directory)
            row = self.estimates(peer, best_modes(products['tried']), ours, directory)
        return {'backbone': self.name, 'images': self.images, 'product': product_row(products), **row}


def product_row(products):
    """With the fastest mode, and how often ours, on a kept graph, fits into its time."""
    timed = [entry for entry in products['tried'] if 'seconds' in entry]
    if not timed:
        return products
    fastest = min(timed, key=lambda entry: entry['seconds'])
    return {**products, 'mode': fastest['mode'], 'peer_seconds': fastest['seconds'],
            'ratio': fastest['seconds'] / products['seconds']}


def estimates_row(ours, tried, turns):
    """`turns` are pairs of seconds, ours and the fastest agreeing mode's."""
    row = {'ours': ours, 'tried': tried, 'turns': turns}
    if turns:
        agreeing = [entry for entry in tried if 'failed' not in entry]
        row['mode'] = min(agreeing, key=lambda entry: entry['seconds'])['mode']
        row['ours'] = {**ours, 'seconds': statistics.median(mine for mine, _ in turns)}
        row['peer_seconds'] = statistics.median(theirs for _, theirs in turns)
        row['ratio'] = statistics.median(theirs / mine for mine, theirs in turns)
    return row


def estimates_text(entry):
    error = entry.get('trace_error')
    return (f'{entry["seconds"]:.2f} s, {entry["products"]} products, eigenvalue {entry["eigenvalue"]:.5g} ± '
            f'{entry["eigenvalue_error"]:.1g}, trace {entry["trace"]:.5g} ± '
            + (f'{error:.2g}' if error is not None else 'not stated')
            + (f', {entry["remark"]}' if entry.get('remark') else ''))


def cases_of(options):
    """(model, images, steps): the model that was named, else every backbone with the dense head."""
    if options.model_given:
        model = json.loads(options.model)
        name = model.get('backbone', {}).get('name', 'resnet18')
        return [(model, options.images or CASES[name][0], CASES[name][1])]
    return [({'backbone': {'name': name}, 'head': {'name': 'dense', 'dropout': 0.0}}, options.images or images, steps)
            for name, (images, steps) in (QUICK if options.quick else CASES).items()]


def compare(comparison):
    """Rows of all cases; none where there is no PyTorch."""
    peer = Peer('PyTorch', 'curvature.py', comparison.environment)
    rows = []
    for case in cases_of(comparison.options) if peer.modes else []:
        rows.append(Case(comparison, *case).run(peer))
        for part in ('product', None):
            told = rows[-1][part] if part else rows[-1]
            if 'ratio' in told:
                print(f'{rows[-1]["backbone"]:<10} {part or "estimates":<10} {told["mode"]}: {told["ratio"]:.2f}x',
                      flush=True)
    return rows


def package_versions():
    """{package: version} of those that are installed."""
    versions = {}
    for package, name in PACKAGES.items():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(name)
    return versions
