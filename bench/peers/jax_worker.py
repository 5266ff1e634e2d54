#!/usr/bin/env python3
"""One mode of JAX at one kind of work, in a process of its own: see worker.py for what it says and reads.

Everything is jitted. A Hessian-vector product is jvp of grad; the kept graph is that of linearize.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
import worker
from jax_model import LAYOUTS, Classifier, cross_entropy, from_layout, images_to_layout, read_weights, to_layout

MODES = {work: list(LAYOUTS) for work in
         ('train_step', 'gradient', 'hvp_from_scratch', 'hvp_kept_graph', 'inference')}


class Setting:
    """The model, the batch and the direction in one memory layout."""

    def __init__(self, problem, layout, training):
        self.layout = layout
        self.classifier = Classifier(problem.model, layout, training)
        self.parameters, self.buffers = read_weights(problem.path('weights'), layout, jnp.float32)
        self.images = jnp.asarray(images_to_layout(problem.images, layout))
        self.labels = jnp.asarray(problem.labels)
        self.direction = {name: jnp.asarray(to_layout(name, problem.direction[name], layout))
                          for name in self.parameters}

    def loss(self, parameters, buffers, images, labels):
        logits, _, updated = self.classifier(parameters, buffers, images)
        return cross_entropy(logits, labels), updated

    def batch(self):
        return self.buffers, self.images, self.labels

    def numpy_of(self, tensors):
        return {name: from_layout(np.asarray(tensor), self.layout) for name, tensor in tensors.items()}


def train_step(setting):
    initial = setting.numpy_of(setting.parameters)

    def update(parameters, momentum, buffers, images, labels):
        gradient, buffers = jax.grad(setting.loss, has_aux=True)(parameters, buffers, images, labels)
        momentum = {name: worker.MOMENTUM * momentum[name] + gradient[name] + worker.WEIGHT_DECAY * parameters[name]
                    for name in parameters}
        parameters = {name: parameters[name] - worker.RATE * momentum[name] for name in parameters}
        return parameters, momentum, buffers

    run = jax.jit(update, donate_argnums=(0, 1, 2))
    state = [setting.parameters, jax.tree.map(jnp.zeros_like, setting.parameters), setting.buffers]

    def body():
        state[:] = jax.block_until_ready(run(*state, setting.images, setting.labels))
        return state[1]

    def gradient(momentum):  # after one step the momentum is gradient + decay * weight
        return {name: array - worker.WEIGHT_DECAY * initial[name]
                for name, array in setting.numpy_of(momentum).items()}

    return body, gradient


def derivative(setting, kind):
    def gradient_at(parameters, buffers, images, labels):
        return jax.grad(lambda p: setting.loss(p, buffers, images, labels)[0])(parameters)

    def product_at(parameters, direction, *batch):
        return jax.jvp(lambda p: gradient_at(p, *batch), (parameters,), (direction,))[1]

    parameters, v, batch = setting.parameters, setting.direction, setting.batch()
    if kind == 'gradient':
        run = jax.jit(gradient_at)
        return lambda: jax.block_until_ready(run(parameters, *batch)), setting.numpy_of
    if kind == 'hvp_from_scratch':
        run = jax.jit(product_at)
        return lambda: jax.block_until_ready(run(parameters, v, *batch)), setting.numpy_of
    # What linearize keeps is an argument of the jitted product, not a constant in it.
    keep = jax.jit(lambda p, *b: jax.linearize(lambda q: gradient_at(q, *b), p)[1])
    kept, run = keep(parameters, *batch), jax.jit(lambda product, direction: product(direction))
    return lambda: jax.block_until_ready(run(kept, v)), setting.numpy_of


def inference(setting):
    run = jax.jit(lambda parameters, buffers, images: setting.classifier(parameters, buffers, images)[0])
    return (lambda: jax.block_until_ready(run(setting.parameters, setting.buffers, setting.images)),
            lambda logits: {'logits': np.asarray(logits)})


def prepare(problem, work, words):
    setting = Setting(problem, words[0], training=work == 'train_step')
    if work == 'train_step':
        return train_step(setting)
    return inference(setting) if work == 'inference' else derivative(setting, work)


def main():
    options = worker.arguments(__doc__, jax.__version__, MODES)
    if options.threads < len(os.sched_getaffinity(0)):  # XLA has as many threads as it sees processors
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    worker.serve(prepare, options)


if __name__ == '__main__':
    main()
