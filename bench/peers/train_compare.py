#!/usr/bin/env python3
"""Repeats a training run of Switchyard in PyTorch and compares what came out.

PyTorch starts from the run's initial weights and sees the same images in the same order, the same dropout and
the same gate noise (philox_random.py), so what is compared is the recipe: models in training mode, losses,
optimiser, schedule, order, normalisation, validation. In float64 both must agree to rounding after any number
of steps. In float32 they part after some tens of steps, as any two float32 programs do; then the epochs'
losses, accuracies and expert loads are what there is to compare.

  train_compare.py                      short float64 runs of every head, exit status 1 where they differ
  train_compare.py --run DIR --data D   repeats the run in DIR, which had no augmentation, and prints both sides
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import philox_random
import safetensors_file
import torch
from probe_compare import relative_error
from pytorch_model import BACKBONES, Classifier
from torch.nn import functional as F

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
# Label: the head's fields that are not at their defaults.
SHORT_RUNS = {
    'dense': {'name': 'dense'},
    'soft_moe': {'name': 'soft_moe', 'balance': 0.05},
    'sparse_moe': {'name': 'sparse_moe'},
    'sparse_moe, smooth load': {'name': 'sparse_moe', 'load_estimator': 'smooth'},
    'sparse_moe, switch and z': {'name': 'sparse_moe', 'router_order': 'softmax_topk', 'switch_balance': 0.1,
                                 'router_z': 0.01},
    'hard_moe': {'name': 'hard_moe', 'temperature': 0.5},
}


class OurRandom:
    """The random numbers of a run, in the order in which our heads draw them."""

    def __init__(self, seed):
        self.stream = philox_random.Stream(philox_random.fork(seed, philox_random.NOISE))

    def mask(self, shape, p, like):
        kept = torch.from_numpy(self.stream.kept(int(np.prod(shape)), p)).view(*shape)
        return kept.to(like.dtype) / (1.0 - p)

    def dropout(self, x, p):
        return x * self.mask(x.shape, p, x)

    def hidden_dropout(self, hidden, p, indices=None):
        if indices is None:
            return hidden * self.mask(hidden.shape, p, hidden)
        # One row a slot: experts ascending, samples ascending within an expert.
        samples, k = indices.shape
        slots = torch.argsort(indices.reshape(-1), stable=True)
        mask = torch.ones_like(hidden)
        mask[slots // k, indices.reshape(-1)[slots]] = self.mask((samples * k, hidden.size(2)), p, hidden)
        return hidden * mask

    def normal_like(self, x):
        return torch.from_numpy(self.stream.normal(x.numel())).view(*x.shape).to(x.dtype)


def read_cifar10(directory, dtype):
    """Training images [N, 3, 32, 32], normalised, and labels."""
    records = np.concatenate([np.fromfile(os.path.join(directory, f'data_batch_{i}.bin'), np.uint8)
                              for i in range(1, 6)]).reshape(-1, 3073)
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32)).to(dtype) / 255
    mean, deviation = (torch.tensor(numbers, dtype=dtype).view(3, 1, 1) for numbers in (MEAN, DEVIATION))
    return (images - mean) / deviation, torch.from_numpy(records[:, 0].astype(np.int64))


def split(config, count):
    """(training, validation) indices, each ascending."""
    data, seed = config['data'], config['seed']
    order = philox_random.permutation(count, seed)
    validation, training = sorted(order[:data['validation']]), sorted(order[data['validation']:])
    limit = data['train_limit']
    if 0 < limit < len(training):
        chosen = philox_random.permutation(len(training), seed)[:limit]
        training = [training[i] for i in sorted(chosen)]
    return training, validation


def load_parameters(model, path):
    tensors = safetensors_file.read(path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(tensors[name].copy()))


class Sums:
    """Loss, accuracy and expert load over the batches of an epoch."""

    def __init__(self):
        self.images, self.correct, self.cross_entropy, self.balance, self.load = 0, 0, 0.0, 0.0, None

    def add(self, logits, labels, cross_entropy, gate):
        n = len(labels)
        self.images += n
        self.correct += (logits.argmax(1) == labels).sum().item()
        self.cross_entropy += cross_entropy.item() * n
        if 'balance_loss' in gate:
            self.balance += gate['balance_loss'].item() * n
        if 'probs' in gate:
            chosen = gate.get('indices', gate['probs'].argmax(1, keepdim=True))
            counts = torch.bincount(chosen.reshape(-1), minlength=gate['probs'].size(1))
            self.load = counts if self.load is None else self.load + counts

    def result(self):
        scores = {'accuracy': self.correct / self.images, 'cross_entropy': self.cross_entropy / self.images,
                  'balance_loss': self.balance / self.images}
        if self.load is not None:
            scores['gate'] = {'load': (self.load.double() / self.load.sum()).tolist()}
        return scores


def train(config, weights, images, labels, memory_format):
    """Yields (epoch's metrics, model, optimiser) after every epoch."""
    if config['model']['head'].get('capacity'):
        sys.exit('model.head.capacity: only dropless runs can be repeated')
    if config['schedule']['kind'] != 'multi_step' or config['data']['augment']:
        sys.exit('only runs with a multi_step schedule and without augmentation can be repeated')
    model = Classifier(**config['model']).to(images.dtype)
    load_parameters(model, weights)
    model.to(memory_format=memory_format)
    model.head.random = OurRandom(config['seed'])
    settings = config['optimizer']
    optimizer = torch.optim.SGD(model.parameters(), settings['rate'], settings['momentum'],
                                weight_decay=settings['weight_decay'])
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, config['schedule']['milestones'],
                                                    config['schedule']['factor'])
    training, validation = split(config, len(images))
    order_seed = philox_random.fork(config['seed'], philox_random.ORDER)
    for epoch in range(config['epochs']):
        shuffled = philox_random.permutation(
            len(training), philox_random.fork(philox_random.fork(order_seed, epoch), 0))
        order = torch.tensor(training)[torch.tensor(shuffled)]
        sums = {'train': Sums(), 'validation': Sums()}
        model.train()
        for batch in order.split(config['batch_size']):
            logits, gate = model(images[batch].contiguous(memory_format=memory_format))
            cross_entropy = F.cross_entropy(logits, labels[batch])
            optimizer.zero_grad(set_to_none=True)
            (cross_entropy + gate.get('balance_loss', 0.0)).backward()
            optimizer.step()
            sums['train'].add(logits, labels[batch], cross_entropy, gate)
        model.eval()
        with torch.no_grad():
            for batch in torch.tensor(validation).split(config['evaluation_batch_size']):
                logits, gate = model(images[batch].contiguous(memory_format=memory_format))
                sums['validation'].add(logits, labels[batch], F.cross_entropy(logits, labels[batch]), gate)
        schedule.step()
        yield {name: part.result() for name, part in sums.items()}, model, optimizer


def run_switchyard(program, config, data, out):
    config_file = out + '.json'
    with open(config_file, 'w') as file:
        json.dump(config, file)
    subprocess.run([program, 'train', '--config', config_file, '--data', data, '--out', out],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def initial_weights(program, config, data, directory):
    """A run over two images at a rate that moves no parameter."""
    still = json.loads(json.dumps(config))
    still['epochs'], still['optimizer']['rate'] = 1, 1e-300
    still['data'].update(train_limit=2, validation=1, test_limit=1)
    out = os.path.join(directory, 'initial')
    run_switchyard(program, still, data, out)
    return os.path.join(out, 'checkpoint.safetensors')


def read_run(directory):
    with open(os.path.join(directory, 'config.json')) as file:
        config = json.load(file)
    with open(os.path.join(directory, 'metrics.jsonl')) as file:
        return config, [json.loads(line) for line in file]


def compare_states(checkpoint, model, optimizer):
    """Largest relative error over parameters, buffers and momentum, and its tensor."""
    ours = safetensors_file.read(checkpoint)
    theirs = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        theirs[f'momentum.{name}'] = optimizer.state[parameter]['momentum_buffer'].numpy()
    if ours.keys() != theirs.keys():
        return float('inf'), f'names: {sorted(ours.keys() ^ theirs.keys())[:3]}'
    errors = {name: relative_error(ours[name], theirs[name]) for name in ours}
    worst = max(errors, key=lambda name: np.nan_to_num(errors[name], nan=np.inf))
    return errors[worst], worst


def worst_metric(ours, theirs):
    """Largest difference of an epoch's metrics; relative, but a loss near zero is a difference of numbers near one."""
    errors = []
    for part in ('train', 'validation'):
        for key in ('accuracy', 'cross_entropy', 'balance_loss'):
            errors.append(abs(ours[part][key] - theirs[part][key]) / max(abs(theirs[part][key]), 1.0))
        if 'gate' in theirs[part]:
            errors += np.abs(np.subtract(ours[part]['gate']['load'], theirs[part]['gate']['load'])).tolist()
    return np.max(errors)  # NaN if any is


def short_run(options, backbone, head, images, labels):
    """Two epochs of four steps, the last of each on fewer images: (metrics' error, tensors' error, worst tensor)."""
    config = {'model': {'backbone': {'name': backbone, 'initialisation': 'torchvision'}, 'head': head},
              'data': {'train_limit': 30, 'validation': 20, 'test_limit': 1}, 'batch_size': 8,
              'evaluation_batch_size': 15, 'epochs': 2, 'dtype': 'float64', 'seed': options.seed,
              'schedule': {'kind': 'multi_step', 'milestones': [1], 'factor': 0.1}}
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, 'run')
        run_switchyard(options.program, config, options.data, out)
        config, metrics = read_run(out)
        weights = initial_weights(options.program, config, options.data, directory)
        errors = []
        for ours, (theirs, model, optimizer) in zip(
                metrics, train(config, weights, images, labels, torch.contiguous_format)):
            errors.append(worst_metric(ours, theirs))
        return np.max(errors), *compare_states(os.path.join(out, 'checkpoint.safetensors'), model, optimizer)


def short_runs(options):
    images, labels = read_cifar10(options.data, torch.float64)
    failed = False
    print(f'{"backbone":<10}{"head":<25}{"metrics":>10}{"weights, buffers, momentum":>28}')
    for backbone in options.backbone or BACKBONES:
        for label, head in SHORT_RUNS.items():
            metrics_error, error, name = short_run(options, backbone, head, images, labels)
            passed = metrics_error <= options.tolerance and error <= options.tolerance
            failed |= not passed
            print(f'{backbone:<10}{label:<25}{metrics_error:>10.1e}{error:>28.1e}'
                  + ('' if passed else f'   DIFFERS: {name}'), flush=True)
    print('all within' if not failed else 'not within', f'{options.tolerance:g}')
    return int(failed)


def print_epoch(side, epoch, metrics):
    for part in ('train', 'validation'):
        scores = metrics[part]
        load = scores.get('gate', {}).get('load')
        print(f'{side:<11}epoch {epoch:<3} {part:<11} accuracy {100 * scores["accuracy"]:6.2f} %  '
              f'cross-entropy {scores["cross_entropy"]:.4f}  balance loss {scores["balance_loss"]:.4f}'
              + ('' if load is None else '  load % ' + ' '.join(f'{100 * share:.1f}' for share in load)), flush=True)


def repeat_run(options):
    config, metrics = read_run(options.run)
    if options.epochs:
        config['epochs'] = options.epochs
    dtype = getattr(torch, config['dtype'])
    images, labels = read_cifar10(options.data, dtype)
    with tempfile.TemporaryDirectory() as directory:
        weights = initial_weights(options.program, config, options.data, directory)
        start = time.perf_counter()
        for epoch, (theirs, _, _) in enumerate(
                train(config, weights, images, labels, torch.channels_last), start=1):
            if epoch <= len(metrics):
                print_epoch('Switchyard', epoch, metrics[epoch - 1])
            print_epoch('PyTorch', epoch, theirs)
            print(f'           PyTorch took {time.perf_counter() - start:.0f} s', flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--program', default='build/release/switchyard')
    parser.add_argument('--data', help="CIFAR-10's binary files (default: SWITCHYARD_DATA)",
                        default=os.environ.get('SWITCHYARD_DATA'))
    parser.add_argument('--run', help='a run directory to repeat')
    parser.add_argument('--epochs', type=int, help='repeat only so many')
    parser.add_argument('--backbone', action='append', choices=BACKBONES)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--tolerance', type=float, default=1e-9)
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.data:
        sys.exit("no data: name CIFAR-10's binary files with --data or SWITCHYARD_DATA")
    sys.exit(repeat_run(options) if options.run else short_runs(options))


if __name__ == '__main__':
    main()
