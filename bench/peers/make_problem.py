#!/usr/bin/env python3
"""Writes what all sides of the comparison work on into a folder: model.json, weights and a batch with a direction.

The weights are PyTorch's initial ones with running statistics of random images, so that evaluation mode is as
well conditioned as after training.
"""

import argparse
import json
import os

import safetensors_file
import torch
from pytorch_model import Classifier


def model_with_statistics(model, images):
    classifier = Classifier(**model).train()
    norms = [module for module in classifier.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1.0
        classifier(images)
    return classifier


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', required=True, help='the model object of a configuration, JSON')
    parser.add_argument('--batch', type=int, required=True)
    parser.add_argument('--out', required=True, help='the folder, which exists')
    options = parser.parse_args()
    torch.manual_seed(1)
    model = json.loads(options.model)
    images = torch.randn(options.batch, 3, 32, 32)
    labels = torch.arange(options.batch) % 10
    classifier = model_with_statistics(model, torch.randn(max(options.batch, 32), 3, 32, 32))
    batch = {'images': images.numpy(), 'labels': labels.numpy()}
    for name, parameter in classifier.named_parameters():
        batch[f'direction.{name}'] = torch.randn_like(parameter).numpy()

    def path(name):
        return os.path.join(options.out, name)

    with open(path('model.json'), 'w') as file:
        json.dump(model, file)
    safetensors_file.write(path('weights.safetensors'),
                           {name: tensor.numpy() for name, tensor in classifier.state_dict().items()})
    safetensors_file.write(path('batch.safetensors'), batch)


if __name__ == '__main__':
    main()
