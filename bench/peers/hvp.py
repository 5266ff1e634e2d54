#!/usr/bin/env python3
"""A Hessian-vector product in PyTorch by double backward, evaluation mode: from scratch and on a kept
gradient graph."""

import itertools

import peer
import torch
from torch.nn import functional as F


def main():
    variants = [f'{graph}-{layout}' for layout, graph in itertools.product(peer.LAYOUTS, ('scratch', 'kept'))]
    options = peer.arguments(__doc__, variants, repeats=1, warm_up=0)
    for variant in options.variant:
        graph, layout = variant.split('-')
        model, images, labels = peer.problem(options, layout)
        model.eval()
        parameters = list(model.parameters())
        v = [torch.randn_like(p) for p in parameters]

        def gradient():
            return torch.autograd.grad(F.cross_entropy(model(images)[0], labels), parameters, create_graph=True)

        kept = gradient() if graph == 'kept' else None

        def product():
            torch.autograd.grad(kept or gradient(), parameters, v, retain_graph=kept is not None)

        peer.report('hvp', variant, options, peer.seconds_of(product, options))


if __name__ == '__main__':
    main()
