#!/usr/bin/env python3
"""Writes what all sides of the comparison work on into a folder: model.json, weights and a batch with a direction.

The weights are PyTorch's initial ones with running statistics of random images, so that evaluation mode is as
well conditioned as after training. With --steps they are trained on the batch, so that its Hessian is like one after
training: initial weights have eigenvalues of both signs that no estimator separates in a few products.
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


def train(classifier, images, labels, steps):
    """Steps of SGD in training mode; the running statistics are those of the images afterwards."""
    optimizer = torch.optim.SGD(classifier.parameters(), lr=0.02, momentum=0.9)
    classifier.train()
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(classifier(images)[0], labels).backward()
        optimizer.step()
    with torch.no_grad():
        classifier(images)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', required=True, help='the model object of a configuration, JSON')
    parser.add_argument('--batch', type=int, required=True)
    parser.add_argument('--out', required=True, help='the folder, which exists')
    parser.add_argument('--steps', type=int, default=0, help='training steps on the batch')
    options = parser.parse_args()
    torch.manual_seed(1)
    model = json.loads(options.model)
    images = torch.randn(options.batch, 3, 32, 32)
    labels = torch.arange(options.batch) % 10
    classifier = model_with_statistics(model, torch.randn(max(options.batch, 32), 3, 32, 32))
    if options.steps > 0:
        train(classifier, images, labels, options.steps)
    batch = {'images': images.numpy(), 'labels': labels.numpy()}

    def path(name):
        return os.path.join(options.out, name)

    safetensors_file.write(path('images.safetensors'), batch)  # without a direction, as `switchyard hessian` takes it
    for name, parameter in classifier.named_parameters():
        batch[f'direction.{name}'] = torch.randn_like(parameter).numpy()

    with open(path('model.json'), 'w') as file:
        json.dump(model, file)
    safetensors_file.write(path('weights.safetensors'),
                           {name: tensor.numpy() for name, tensor in classifier.state_dict().items()})
    safetensors_file.write(path('batch.safetensors'), batch)


if __name__ == '__main__':
    main()
