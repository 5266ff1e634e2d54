#!/usr/bin/env python3
"""One training step in PyTorch: forward, backward, SGD with momentum and weight decay.

The peak of resident memory is that of the process: name one --variant to read it."""

import peer
import torch
from torch.nn import functional as F


def main():
    options = peer.arguments(__doc__, peer.LAYOUTS)
    for variant in options.variant:
        model, images, labels = peer.problem(options, variant)
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

        def step():
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(images)[0], labels).backward()
            optimizer.step()

        peer.report('train_step', variant, options, peer.seconds_of(step, options))


if __name__ == '__main__':
    main()
