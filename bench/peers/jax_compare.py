#!/usr/bin/env python3
"""Compares `switchyard probe` with JAX in float64, as probe_compare.py does with PyTorch, where jax_model.py has the
same model: logits, loss, gate, gradients and Hessian-vector products by jvp of grad, within a relative error per
tensor. The weights come from PyTorch. Exits with 1 where anything differs.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax_model import Classifier, cross_entropy, from_layout, images_to_layout, to_layout
from probe_compare import NO_DROPOUT, NO_GATE_DROPOUT, compare_cases, parse_arguments

# Without balance losses: jax_model.py has none.
UNBALANCED = {'importance': 0.0, 'load': 0.0}
CASES = {
    'dense': [({}, 'eval', 'cross_entropy'), (NO_DROPOUT, 'train', 'cross_entropy')],
    'soft_moe': [({}, 'eval', 'cross_entropy'), (NO_GATE_DROPOUT, 'train', 'cross_entropy')],
    'sparse_moe': [(UNBALANCED, 'eval', 'cross_entropy')],
    'hard_moe': [(dict(UNBALANCED, temperature=0.5), 'eval', 'cross_entropy')],
}
LAYOUT = 'nhwc'


def expected(model, config, batch, mode, _):
    """Returns what the probe should write, by JAX."""
    tensors = {name: jnp.asarray(to_layout(name, tensor.double().numpy(), LAYOUT))
               for name, tensor in model.state_dict().items()}
    parameters = {name: tensors.pop(name) for name, _ in model.named_parameters()}
    direction = {name: jnp.asarray(to_layout(name, batch[f'direction.{name}'].astype(np.float64), LAYOUT))
                 for name in parameters}
    images = jnp.asarray(images_to_layout(batch['images'].astype(np.float64), LAYOUT))
    classifier = Classifier(config, LAYOUT, mode == 'train')

    def loss(parameters):
        return cross_entropy(classifier(parameters, tensors, images)[0], batch['labels'])

    logits, gate, _ = classifier(parameters, tensors, images)
    gradient, product = jax.jvp(jax.grad(loss), (parameters,), (direction,))
    result = {'logits': logits, 'loss': loss(parameters), **{f'gate.{name}': value for name, value in gate.items()}}
    for name in parameters:
        result[f'grad.{name}'] = from_layout(gradient[name], LAYOUT)
        result[f'hvp.{name}'] = from_layout(product[name], LAYOUT)
    return {name: np.asarray(value) for name, value in result.items()}


def main():
    jax.config.update('jax_enable_x64', True)
    sys.exit(compare_cases(parse_arguments(__doc__), f'JAX {jax.__version__}', CASES, expected))


if __name__ == '__main__':
    main()
