"""The classifiers in JAX: pure functions of {name: array} with the names of PyTorch's weights.

Evaluation mode of every head, and training mode where it draws no random numbers (no dropout, no gate noise).
There are no balance losses. docs/design/heads.md has the formulas.
"""

import jax
import jax.numpy as jnp
import numpy as np
import safetensors_file
from backbones import BACKBONES
from jax import lax

# Memory layout of images and, in JAX's words, of convolutions.
LAYOUTS = {'nhwc': ('NHWC', 'HWIO', 'NHWC'), 'nchw': ('NCHW', 'OIHW', 'NCHW')}
DEFAULTS = {'top_k': 2, 'temperature': 1.0, 'dropout': 0.1, 'gate_input_dropout': 0.1, 'gate_logits_dropout': 0.1,
            'experts': 8, 'router_order': 'topk_softmax', 'capacity': 0}
BUFFERS = ('running_mean', 'running_var')


def to_layout(name, array, layout):
    """A PyTorch tensor by name as the model in `layout` takes it: convolution weights are OIHW or HWIO."""
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0)) if array.ndim == 4 and layout == 'nhwc' else array


def from_layout(array, layout):
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 and layout == 'nhwc' else array


def images_to_layout(images, layout):
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if layout == 'nhwc' else images


def read_weights(path, layout, dtype):
    """(parameters, running statistics) of a safetensors file."""
    tensors = {name: jnp.asarray(to_layout(name, array, layout), dtype)
               for name, array in safetensors_file.read(path).items() if not name.endswith('num_batches_tracked')}
    buffers = {name: tensor for name, tensor in tensors.items() if name.endswith(BUFFERS)}
    return {name: tensor for name, tensor in tensors.items() if name not in buffers}, buffers


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


class Backbone:
    """The features [N, D] of images. In training it normalises by the batch and returns new running statistics."""

    def __init__(self, config, layout):
        self.stages = BACKBONES[config.get('name', 'resnet18')][1]
        self.dimensions = LAYOUTS[layout]
        self.sides = (1, 2) if layout == 'nhwc' else (2, 3)
        self.shape = (1, 1, 1, -1) if layout == 'nhwc' else (1, -1, 1, 1)
        self.kernel_axis = 0 if layout == 'nhwc' else 2

    def convolution(self, x, w, stride):
        padding = w.shape[self.kernel_axis] // 2
        return lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2,
                                        dimension_numbers=self.dimensions)

    def norm(self, tensors, name, x, updated):
        mean, variance = (tensors[f'{name}.{buffer}'] for buffer in BUFFERS)
        if updated is not None:
            axes = (0, *self.sides)
            batch_mean, batch_variance = x.mean(axes), x.var(axes)
            count = x.size // mean.size
            for buffer, old, new in ((BUFFERS[0], mean, batch_mean),
                                     (BUFFERS[1], variance, batch_variance * count / (count - 1))):
                updated[f'{name}.{buffer}'] = 0.9 * old + 0.1 * lax.stop_gradient(new)
            mean, variance = batch_mean, batch_variance
        scale = tensors[f'{name}.weight'] / jnp.sqrt(variance + 1e-5)
        return (x - mean.reshape(self.shape)) * scale.reshape(self.shape) + tensors[f'{name}.bias'].reshape(self.shape)

    def __call__(self, tensors, images, training):
        updated = {} if training else None

        def layer(x, prefix, index, stride):
            y = self.convolution(x, tensors[f'{prefix}conv{index}.weight'], stride)
            return self.norm(tensors, f'{prefix}bn{index}', y, updated)

        root = 'backbone.backbone.'
        x = jax.nn.relu(layer(images, root, 1, 1))
        for stage, (blocks, _, first_stride) in enumerate(self.stages, start=1):
            for block in range(blocks):
                prefix, stride = f'{root}layer{stage}.{block}.', first_stride if block == 0 else 1
                shortcut = x
                if f'{prefix}downsample.0.weight' in tensors:
                    shortcut = self.norm(tensors, f'{prefix}downsample.1',
                                         self.convolution(x, tensors[f'{prefix}downsample.0.weight'], stride), updated)
                hidden = jax.nn.relu(layer(x, prefix, 1, stride))
                x = jax.nn.relu(layer(hidden, prefix, 2, 1) + shortcut)
        return x.mean(self.sides), updated


class Classifier:
    """`classifier(parameters, buffers, images)` returns (logits, gate, new buffers or None)."""

    def __init__(self, model, layout='nhwc', training=False):
        self.backbone = Backbone(model.get('backbone', {}), layout)
        self.head = dict(DEFAULTS, **model['head'])
        self.name = self.head['name']
        if self.name == 'hard_moe':
            self.head['top_k'] = 1
        self.training = training
        drops = [self.head[field] for field in ('dropout', 'gate_input_dropout', 'gate_logits_dropout')
                 if field == 'dropout' or self.name != 'dense']
        if training and (any(drops) or self.name in ('sparse_moe', 'hard_moe') or self.head.get('balance')):
            raise ValueError('jax_model: training mode has no random numbers and no balance losses')
        if self.head['capacity'] or self.head['router_order'] != 'topk_softmax':
            raise ValueError('jax_model: only dropless routing in the order topk_softmax')

    def __call__(self, parameters, buffers, images):
        tensors = {**parameters, **buffers}
        features, updated = self.backbone(tensors, images, self.training)
        logits, gate = (self.dense if self.name == 'dense' else self.mixture)(tensors, features)
        return logits, gate, updated

    @staticmethod
    def linear(tensors, name, x):
        return x @ tensors[f'{name}.weight'].T + tensors[f'{name}.bias']

    def dense(self, tensors, x):
        return self.linear(tensors, 'head.fc.3', jax.nn.relu(self.linear(tensors, 'head.fc.0', x))), {}

    def gate(self, tensors, x):
        """{probs [N, E], zero outside indices [N, k]}."""
        if self.name == 'soft_moe':
            return {'probs': jax.nn.softmax(self.linear(tensors, 'head.gate', x) / self.head['temperature'])}
        logits = self.linear(tensors, 'head.gate.w_gate', x)
        logits = (logits - logits.mean(1, keepdims=True)) / (logits.std(1, ddof=1, keepdims=True) + 1e-5)
        logits = logits / self.head['temperature']
        indices = jnp.argsort(-logits, axis=1, stable=True)[:, :self.head['top_k']]
        kept = jnp.take_along_axis(logits, indices, 1)
        # XLA's derivative of a softmax of one number is not exactly the zero that it should be.
        weights = jax.nn.softmax(kept) if self.head['top_k'] > 1 else jnp.ones_like(kept)
        rows = jnp.arange(len(x))[:, None]
        return {'probs': jnp.zeros_like(logits).at[rows, indices].set(weights), 'indices': indices}

    def mixture(self, tensors, x):
        gate = self.gate(tensors, x)

        def stacked(name):
            return jnp.stack([tensors[f'head.experts.{e}.net.{name}'] for e in range(self.head['experts'])])

        hidden = jax.nn.relu(jnp.einsum('nd,ehd->neh', x, stacked('0.weight')) + stacked('0.bias'))
        outputs = jnp.einsum('neh,ech->nec', hidden, stacked('3.weight')) + stacked('3.bias')
        return (gate['probs'][:, :, None] * outputs).sum(1), gate
