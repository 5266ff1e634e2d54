#!/usr/bin/env python3
"""PyTorch's ways to curvature: one mode in a process of its own (worker.py). The packages hessian-eigenthings,
curvlinops and PyHessian with their own operators and estimators, and products of PyTorch's own with estimators of
this file.

The work `curvature_product` is one Hessian-vector product as the package's operator hands it out. `curvature_estimates`
is the largest eigenvalue to a tolerance and the trace by so many random vectors, as in the problem's estimates.json;
what they say of their errors must cover their distance from the program's numbers.
"""

import dataclasses
import json
import math
import os
import sys
import time
import warnings

import numpy as np
import torch
import torch_worker
import worker
from torch.nn import functional as F
from torch_worker import LAYOUTS, Setting

PLAIN = ['retain', 'double', 'linearize', 'jvp', 'linearize compile', 'jvp compile']
SIGMAS = 3.0  # standard errors that two estimates of a trace may be apart
ROUNDING = 1e-4  # of an eigenvalue: what float32 products of two programs may add to the stated errors


@dataclasses.dataclass
class Estimates:
    eigenvalue: float
    eigenvalue_error: float  # as the method states it; of PyHessian, which states none, the problem's tolerance
    trace: float
    trace_error: float  # standard error; NaN where the package states none
    products: int
    seconds: float
    remark: str = ''


def distance(one, other):
    """How far two sides' estimates are apart, in units of what their stated errors allow: at most 1 is agreement. A
    standard error that is not stated is taken to be the other side's, whose number of vectors is the same."""
    trace_errors = [error if math.isfinite(error) else other_error for error, other_error in
                    ((one.trace_error, other.trace_error), (other.trace_error, one.trace_error))]
    allowed = one.eigenvalue_error + other.eigenvalue_error + ROUNDING * abs(other.eigenvalue)
    units = (abs(one.eigenvalue - other.eigenvalue) / allowed,
             abs(one.trace - other.trace) / (SIGMAS * math.hypot(*trace_errors)))
    return max(units) if all(map(math.isfinite, units)) else math.inf


class CurvatureProblem(worker.Problem):
    """What is to be estimated, and the program's estimates where they are what a result is judged by."""

    def __init__(self, directory):
        super().__init__(directory)
        with open(os.path.join(directory, 'estimates.json')) as file:
            described = json.load(file)
        self.tolerance, self.vectors = described['tolerance'], described['vectors']
        self.ours = Estimates(**described['ours'])

    def judge(self, work, got):
        if work == 'curvature_product':
            return {'error': worker.relative_error(got, self.expected('hvp'))}
        said = {key: value for key, value in vars(got).items() if value == value}
        # One that ran out of steps states a large error, within which everything agrees.
        unfinished = got.eigenvalue_error > 2 * self.tolerance * abs(got.eigenvalue)
        return {'error': math.inf if unfinished else distance(got, self.ours), **said}


class Counted:
    """A product of flat vectors that counts its calls."""

    def __init__(self, setting, product):
        self.shapes = {name: p.shape for name, p in setting.parameters.items()}
        self.product, self.calls = product, 0
        self.size = sum(shape.numel() for shape in self.shapes.values())

    def __call__(self, flat):
        self.calls += 1
        return self.product(flat)

    def split(self, flat):
        """{name: part} of a flat vector."""
        parts = torch.split(flat, [shape.numel() for shape in self.shapes.values()])
        return {name: part.reshape(shape) for (name, shape), part in zip(self.shapes.items(), parts)}


def joined(setting, tensors):
    return torch.cat([torch.zeros(parameter.numel()) if tensor is None else tensor.reshape(-1)
                      for parameter, tensor in zip(setting.parameters.values(), tensors)])


def lanczos(product, size, tolerance, most=60):
    """(largest eigenvalue, residual) with full reorthogonalisation in two passes, until the residual is at most the
    tolerance times the value (Parlett, 1998)."""
    basis, diagonal, off = [F.normalize(torch.randn(size), dim=0)], [], []
    while True:
        w = product(basis[-1])
        diagonal.append(torch.dot(w, basis[-1]).item())
        for _ in range(2):
            for q in basis:
                w = w - torch.dot(q, w) * q
        beta = torch.linalg.vector_norm(w).item()
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
        residual = abs(beta * vectors[-1, -1])
        if residual <= tolerance * abs(values[-1]) or len(basis) == most:
            return float(values[-1]), float(residual)
        off.append(beta)
        basis.append(w / beta)


def hutchinson(product, size, vectors):
    """(trace, standard error) by so many vectors of signs."""
    samples = []
    for _ in range(vectors):
        z = torch.randint(0, 2, (size,)).float() * 2 - 1
        samples.append(torch.dot(z, product(z)).item())
    return mean_and_error(samples)


def mean_and_error(samples):
    return float(np.mean(samples)), float(np.std(samples, ddof=1) / math.sqrt(len(samples)))


class Plain:
    """PyTorch's own product, kept or not, compiled or not."""

    def __init__(self, setting, words, problem):
        self.problem, self.setting = problem, setting
        if {'jvp', 'linearize'} & set(words):
            by_name = torch_worker.forward_over_reverse_product(setting, words)
            self.product = Counted(setting, lambda flat: joined(setting, by_name(self.parts(flat)).values()))
        else:
            by_list = torch_worker.double_backward_product(setting, words)
            self.product = Counted(setting, lambda flat: joined(setting, by_list(list(self.parts(flat).values()))))

    def parts(self, flat):
        return self.product.split(flat)

    def one(self, v):
        return self.product(v)

    def estimates(self):
        before, start = self.product.calls, time.perf_counter()
        eigenvalue, residual = lanczos(self.product, self.product.size, self.problem.tolerance)
        trace, error = hutchinson(self.product, self.product.size, self.problem.vectors)
        return Estimates(eigenvalue, residual, trace, error, self.product.calls - before, time.perf_counter() - start)


class Eigenthings:
    """hessian-eigenthings: double backward from scratch, Lanczos with as many steps as it is told, Hutchinson. It gets
    the first of 4, 8, 12, ... steps at which its own residual meets the tolerance, and is timed with these alone."""

    STEPS = range(4, 64, 4)

    def __init__(self, setting, words, problem):
        import hessian_eigenthings
        self.package, self.problem, self.steps = hessian_eigenthings, problem, None
        self.operator = hessian_eigenthings.HessianOperator(
            setting.logits, [(setting.images, setting.labels)], hessian_eigenthings.supervised_loss(F.cross_entropy))

    def one(self, v):
        return self.operator.matvec(v)

    def lanczos(self, operator, steps):
        return self.package.lanczos(operator, k=1, max_iter=steps, tol=self.problem.tolerance, which='LA', seed=1)

    def enough_steps(self):
        """Products are remembered by their number, since every try begins with those of the one before."""
        kept = []
        for steps in self.STEPS:
            count = iter(range(steps))

            def matvec(v, count=count):
                place = next(count)
                if place == len(kept):
                    kept.append(self.operator.matvec(v))
                return kept[place].clone()

            operator = self.package.LambdaOperator(matvec, size=self.operator.size, device=self.operator.device,
                                                   dtype=self.operator.dtype)
            if self.lanczos(operator, steps).converged[0]:
                break
        return steps

    def estimates(self):
        self.steps = self.steps or self.enough_steps()
        start = time.perf_counter()
        pair = self.lanczos(self.operator, self.steps)
        trace = self.package.trace(self.operator, num_matvecs=self.problem.vectors, method='hutchinson', seed=2)
        return Estimates(pair.eigenvalues[0].item(), pair.residuals[0].item(), trace.estimate, trace.stderr,
                         pair.iterations + self.problem.vectors, time.perf_counter() - start)


class Curvlinops:
    """curvlinops: jvp of jacrev under vmap; ARPACK through SciPy as its pages show; Hutchinson, all vectors at once."""

    def __init__(self, setting, words, problem):
        import curvlinops
        self.package, self.problem = curvlinops, problem
        self.operator = curvlinops.HessianLinearOperator(
            setting.logits, torch.nn.CrossEntropyLoss(), list(setting.parameters.values()),
            [(setting.images, setting.labels)], check_deterministic=False)

    def one(self, v):
        return self.operator @ v

    def estimates(self):
        from scipy.sparse.linalg import LinearOperator, eigsh
        calls = 0

        def matvec(v):
            nonlocal calls
            calls += 1
            return linear @ v

        start = time.perf_counter()
        linear = self.operator.to_scipy()
        counted = LinearOperator(linear.shape, matvec=matvec, dtype=np.float32)
        value, vector = eigsh(counted, k=1, which='LA', tol=self.problem.tolerance)
        trace = self.package.hutchinson_trace(self.operator, self.problem.vectors).item()
        seconds = time.perf_counter() - start
        residual = float(np.linalg.norm(linear @ vector[:, 0] - value[0] * vector[:, 0]))
        return Estimates(float(value[0]), residual, trace, math.nan, calls + self.problem.vectors, seconds)


class PyHessian:
    """PyHessian on one batch: double backward on a kept graph, power iteration until the value changes by less than
    its tolerance, Hutchinson. A small change is no bound on the error: the tolerance is tightened by ten until the
    value is within the problem's tolerance of the program's, and the time is that of the last try."""

    TRIES = 4

    def __init__(self, setting, words, problem):
        from pyhessian import hessian
        self.problem, self.tolerance = problem, None
        self.hessian = hessian(setting.logits, F.cross_entropy, data=(setting.images, setting.labels), cuda=False)
        self.product = Counted(setting, None)

    def one(self, v):
        from pyhessian.utils import hessian_vector_product
        parts = list(self.product.split(v).values())
        return torch.cat([part.reshape(-1) for part in
                          hessian_vector_product(self.hessian.gradsH, self.hessian.params, parts)])

    def attempt(self, tolerance):
        module = sys.modules['pyhessian.hessian']  # `pyhessian.hessian` itself is the class of that name
        calls, original = 0, module.hessian_vector_product

        def counted(*arguments):
            nonlocal calls
            calls += 1
            return original(*arguments)

        module.hessian_vector_product = counted
        start = time.perf_counter()
        value = self.hessian.eigenvalues(maxIter=1000, tol=tolerance)[0][0]
        # It stops where the mean changes by less than the tolerance; with this one it takes all vectors.
        trace, error = mean_and_error(self.hessian.trace(maxIter=self.problem.vectors, tol=-math.inf))
        seconds = time.perf_counter() - start
        module.hessian_vector_product = original
        return Estimates(value, self.problem.tolerance * abs(value), trace, error, calls, seconds,
                         f'tolerance {tolerance:g}')

    def estimates(self):
        if self.tolerance is not None:
            return self.attempt(self.tolerance)
        for tried in range(self.TRIES):
            self.tolerance = self.problem.tolerance / 10 ** tried
            made = self.attempt(self.tolerance)
            if abs(made.eigenvalue - self.problem.ours.eigenvalue) <= made.eigenvalue_error:
                break
        return made


WAYS = {'hessian-eigenthings': Eigenthings, 'curvlinops': Curvlinops, 'PyHessian': PyHessian}
ALL = [f'{way} {layout}' for way in [*WAYS, *PLAIN] for layout in LAYOUTS]
MODES = {'curvature_product': ALL, 'curvature_estimates': ALL}


def prepare(problem, work, words):
    torch.manual_seed(1)
    setting = Setting(problem, words[-1])
    setting.logits = torch_worker.Logits(setting.model)
    way = WAYS.get(words[0], Plain)(setting, words, problem)
    if work == 'curvature_estimates':
        return way.estimates, lambda estimates: estimates
    direction = joined(setting, setting.direction.values())
    return lambda: way.one(direction), lambda flat: torch_worker.numpy_of(Counted(setting, None).split(flat))


def main():
    warnings.simplefilter('ignore')
    options = worker.arguments(__doc__, torch.__version__, MODES)
    torch.set_num_threads(options.threads)
    worker.serve(prepare, options, CurvatureProblem)


if __name__ == '__main__':
    main()
