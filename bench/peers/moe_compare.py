"""The part of compare.py that is about the MoE layer and its routing: cases, both sides' times, rows."""

import json
import os
import statistics
import subprocess
import sys
import tempfile

from peer_process import Peer

# Tokens, hidden and expert width of the layer; every number of experts with every distribution.
SIZES = ['--tokens', '4096', '--width', '512', '--hidden', '2048', '--k', '2']
QUICK = ['--tokens', '256', '--width', '64', '--hidden', '96', '--k', '2']
EXPERTS = [8, 64]
DISTRIBUTIONS = ['balanced', 'zipf']
# Works by name: (arguments of `switchyard bench`, tolerance of the peer). Rounding switches some units of a ReLU, of
# which each changes the gradients by its whole share: in bfloat16 a few in a thousand.
WORKS = {
    'training_float32': (['moe', '--order', 'training', '--dtype', 'float32'], 1e-2),
    'training_bfloat16': (['moe', '--order', 'training', '--dtype', 'bfloat16'], 1e-1),
    'slots_float32': (['routing', '--dtype', 'float32'], 1e-5),
    'routing_float32': (['routing', '--dtype', 'float32'], 1e-5),
}
STAGES = {'slots_float32': 'route', 'routing_float32': 'slots_and_back'}  # of `bench routing`, the one that answers
REPEATS = 2


def sizes_of(options):
    """{'tokens': 4096, ...} of a comparison, for the table."""
    words = QUICK if options.quick else SIZES
    return {name.lstrip('-'): int(value) for name, value in zip(words[::2], words[1::2])}


def our_rows(document, work):
    """Rows of a run of ours that answer the work, the fastest first."""
    rows = [row for row in document.get('benchmarks', []) if not row.get('error_occurred')
            and (work not in STAGES or row['stage'] == STAGES[work])]
    return sorted(rows, key=lambda row: row['real_time'])


class Case:
    def __init__(self, comparison, experts, distribution):
        self.comparison, self.options = comparison, comparison.options
        self.name, self.experts, self.distribution = f'E{experts} {distribution}', experts, distribution
        self.sizes = (QUICK if self.options.quick else SIZES) + ['--experts', str(experts), '--distribution', distribution]

    def program(self, arguments):
        command = [os.path.join(self.options.programs, 'switchyard'), 'bench'] + arguments + self.sizes
        command += ['--threads', str(self.options.threads), '--device', self.options.device]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=self.comparison.environment)

    def ours(self, work, variants):
        """Our rows, the fastest first; none where the program lacks the dtype or no variant agrees."""
        done = self.program(WORKS[work][0] + ['--variant', variants, '--repeats', str(REPEATS), '--seconds', '0.001',
                                              '--json'])
        if done.returncode != 0:
            self.comparison.note(f'  Switchyard {work}: {done.stderr.strip() or "disagrees with its reference"}')
            return []
        return our_rows(json.loads(done.stdout), work)

    def write_problem(self, directory):
        done = self.program(['moe', '--write-problem', os.path.join(directory, 'problem.safetensors')])
        if done.returncode != 0:
            sys.exit(f'compare.py: {done.stderr.strip()}')

    def run(self, work, peer, directory):
        """One work: the fastest mode of the peer and ours, in turns; the others as they were tried."""
        worker, tried = self.comparison.choose(peer, work, directory, REPEATS, WORKS[work][1])
        ours = self.ours(work, 'all')
        turns = []
        for _ in range(self.options.turns):
            mine = self.ours(work, ours[0]['variant'])[0]['real_time'] * 1e-9 if ours else None
            theirs = statistics.median(worker.times(REPEATS)['seconds']) if worker else None
            turns.append((mine, theirs))
        if worker:
            worker.stop()
        return self.row(work, ours, worker.mode if worker else None, tried, turns)

    def row(self, work, ours, mode, tried, turns):
        row = {'work': work, 'case': self.name, 'experts': self.experts, 'distribution': self.distribution,
               'tried': tried, 'mode': mode, 'turns': turns,
               'variants': {entry['variant']: entry['real_time'] * 1e-9 for entry in ours}}
        if ours:
            row.update(variant=ours[0]['variant'], seconds=statistics.median(mine for mine, _ in turns))
        if mode:
            row['peer_seconds'] = statistics.median(theirs for _, theirs in turns)
        if ours and mode:
            row['ratio'] = statistics.median(theirs / mine for mine, theirs in turns)
        return row


def text_of(row):
    def side(seconds, what):
        return f'{1000 * seconds:9.2f} ms ({what})' if seconds is not None else f'{"-":>9}'

    return (f'{row["work"]:<18} {row["case"]:<14} Switchyard {side(row.get("seconds"), row.get("variant"))}   '
            f'PyTorch {side(row.get("peer_seconds"), row["mode"])}' + (f'   {row["ratio"]:.2f}x' if 'ratio' in row else ''))


def compare(comparison):
    """Rows of all cases and works; none where there is no PyTorch."""
    peer = Peer('PyTorch', 'moe.py', comparison.environment)
    rows = []
    for experts in comparison.options.experts or EXPERTS:
        for distribution in comparison.options.distribution or DISTRIBUTIONS:
            if not peer.modes:
                return rows
            case = Case(comparison, experts, distribution)
            with tempfile.TemporaryDirectory() as directory:
                case.write_problem(directory)
                for work in WORKS:
                    rows.append(case.run(work, peer, directory))
                    print(text_of(rows[-1]), flush=True)
    return rows
