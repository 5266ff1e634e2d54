"""A peer's process works so: it sets one mode up, shows that it computes what the program computes, and then times
itself each time it is asked to.

It prints one JSON object a line: first {"error": e}, the error against the program's numbers in the unit of its
problem, mostly a relative one, and what else the problem says, or {"failed": why}; then, for every line with a number N on standard input, {"seconds": [N numbers], "peak_resident_bytes": n}.
"""

import argparse
import json
import os
import sys
import time

import numpy as np
import safetensors_file

RATE, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 5e-4  # switchyard_bench's training step


class JudgedByRelativeError:
    """A problem whose results are tensors, all of which `expected(work)` knows."""

    def judge(self, work, got):
        """What the first line says of a result: its error and, in other problems, more."""
        return {'error': relative_error(got, self.expected(work))}


class Problem(JudgedByRelativeError):
    """Holds what all sides work on, and what the program makes of it: files of a folder that compare.py has filled."""

    def __init__(self, directory):
        self.directory = directory
        with open(os.path.join(directory, 'model.json')) as file:
            self.model = json.load(file)
        self.weights = safetensors_file.read(self.path('weights'))
        batch = safetensors_file.read(self.path('batch'))
        self.images, self.labels = batch['images'], batch['labels']
        self.direction = {name[len('direction.'):]: array for name, array in batch.items()
                          if name.startswith('direction.')}

    def path(self, name):
        return os.path.join(self.directory, f'{name}.safetensors')

    def expected(self, work):
        """The program's results for a kind of work: {name: array}."""
        tensors = safetensors_file.read(self.path('train' if work == 'train_step' else 'eval'))
        if work == 'inference':
            return {'logits': tensors['logits']}
        prefix = 'hvp.' if work.startswith('hvp') else 'grad.'
        return {name[len(prefix):]: array for name, array in tensors.items() if name.startswith(prefix)}


def relative_error(got, want):
    """Norm of the difference over the norm of what is right, all tensors together; infinite where names or shapes
    differ or a number is not finite."""
    if got.keys() != want.keys() or any(got[name].shape != want[name].shape for name in want):
        return float('inf')
    difference = sum(np.sum((got[name].astype(np.float64) - want[name]) ** 2) for name in want)
    size = sum(np.sum(want[name].astype(np.float64) ** 2) for name in want)
    error = float(np.sqrt(difference / size)) if size > 0.0 else float(np.sqrt(difference))
    return error if np.isfinite(error) else float('inf')


def peak_resident_bytes():
    """VmHWM, as on the other side."""
    with open('/proc/self/status') as status:
        for line in status:
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
    return 0


def forget_peak():
    """Lets the peak begin anew: what setting up needed does not count."""
    try:
        with open('/proc/self/clear_refs', 'w') as file:
            file.write('5')
    except OSError:
        pass


def print_line(**fields):
    # The descriptor that standard output had at the start: libraries print there as well.
    os.write(OUTPUT, (json.dumps(fields) + '\n').encode())


LONG_CALL_SECONDS = 2  # a call from which on the first one serves as warm-up
OUTPUT = os.dup(1)


def arguments(description, version, modes, devices=('cpu',)):
    os.dup2(2, 1)
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--list', action='store_true', help='print {"version", "modes"} and stop')
    parser.add_argument('--problem', help='the folder with model, weights, batch and results')
    parser.add_argument('--work', choices=modes)
    parser.add_argument('--mode', help='words that name the mode, separated by spaces')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--device', choices=devices, default='cpu')
    options = parser.parse_args()
    if options.list:
        print_line(version=version, modes=modes)
        sys.exit()
    return options


def serve(prepare, options, problem_type=Problem):
    """`prepare(problem, work, words)` returns (body, result): body() does the work once and waits for its end;
    result(value of the first call) gives what the problem judges: {name: numpy array} as expected() does."""
    try:
        problem = problem_type(options.problem)
        body, result = prepare(problem, options.work, options.mode.split())
        start = time.perf_counter()
        value = body()
        first_call = time.perf_counter() - start
        said = problem.judge(options.work, result(value))
    except Exception as failure:  # whatever a library throws: the mode is reported as failed
        lines = str(failure).strip().splitlines() or ['']
        print_line(failed=f'{type(failure).__name__}: {lines[0][:200]}')
        sys.exit(1)
    print_line(**said)
    del problem, value
    if first_call < LONG_CALL_SECONDS:
        body()
    forget_peak()
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            body()
            seconds.append(time.perf_counter() - start)
        print_line(seconds=seconds, peak_resident_bytes=peak_resident_bytes())
