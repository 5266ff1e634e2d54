"""What the PyTorch benchmarks share: arguments, variants of memory layout, timing, one JSON line each."""

import argparse
import json
import time

import torch
from pytorch_model import Classifier

LAYOUTS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


def arguments(description, variants, repeats=5, warm_up=1):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--repeats', type=int, default=repeats)
    parser.add_argument('--warm-up', type=int, default=warm_up)
    parser.add_argument('--variant', action='append', choices=variants, help='all if none is named')
    parser.add_argument('--backbone', default='resnet18')
    options = parser.parse_args()
    options.variant = options.variant or list(variants)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    return options


def problem(options, layout):
    """The dense-head model, images and labels, in one memory layout."""
    model = Classifier({'name': options.backbone}, {'name': 'dense'}).to(memory_format=LAYOUTS[layout])
    images = torch.randn(options.batch, 3, 32, 32).contiguous(memory_format=LAYOUTS[layout])
    labels = torch.arange(options.batch) % 10
    return model, images, labels


def seconds_of(body, options):
    for _ in range(options.warm_up):
        body()
    seconds = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        body()
        seconds.append(time.perf_counter() - start)
    return seconds


def peak_resident_bytes():
    """VmHWM, as on the other side."""
    with open('/proc/self/status') as status:
        for line in status:
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
    return 0


def report(name, variant, options, seconds):
    print(json.dumps({'name': name, 'variant': variant, 'batch': options.batch, 'torch': torch.__version__,
                      'seconds': seconds, 'peak_resident_bytes': peak_resident_bytes()}), flush=True)
