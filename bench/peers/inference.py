#!/usr/bin/env python3
"""A forward pass in evaluation mode in PyTorch, as written and frozen: TorchScript's
optimize_for_inference folds batch norm into the convolutions and packs weights for oneDNN."""

import itertools

import peer
import torch


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images)[0]


def main():
    variants = [f'{mode}-{layout}' for mode, layout in itertools.product(('eager', 'frozen'), peer.LAYOUTS)]
    options = peer.arguments(__doc__, variants, repeats=7, warm_up=2)
    for variant in options.variant:
        mode, layout = variant.split('-')
        model, images, _ = peer.problem(options, layout)
        run = Logits(model).eval()
        with torch.inference_mode():
            if mode == 'frozen':
                run = torch.jit.optimize_for_inference(torch.jit.trace(run, images))
            peer.report('inference', variant, options, peer.seconds_of(lambda: run(images), options))


if __name__ == '__main__':
    main()
