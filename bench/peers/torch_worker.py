#!/usr/bin/env python3
"""One mode of PyTorch at one kind of work, in a process of its own: see worker.py for what it says and reads."""

import warnings

import torch
import worker
from pytorch_model import Classifier
from torch.nn import functional as F

try:
    from torch.func import functional_call, grad, jvp, linearize
except ImportError:  # before PyTorch 2
    jvp = None

LAYOUTS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


def each_layout(*modes):
    return [f'{mode} {layout}' for mode in modes for layout in LAYOUTS]


# Every mode of every kind of work. `compile` is torch.compile, which needs a C++ compiler; `jvp` is forward over
# reverse mode by torch.func, `double` is double backward; `linearize` keeps the graph of the former, `retain` of the
# latter; `frozen` is TorchScript's optimize_for_inference, `freezing` its counterpart in torch.compile.
MODES = {
    'train_step': each_layout('eager', 'compile'),
    'gradient': each_layout('eager', 'compile'),
    'hvp_from_scratch': each_layout('jvp', 'double', 'jvp compile'),
    'hvp_kept_graph': each_layout('linearize', 'retain', 'linearize compile'),
    'inference': each_layout('eager', 'frozen', 'compile', 'compile freezing'),
}


if jvp is None:
    MODES = {work: [mode for mode in modes if not {'jvp', 'linearize', 'compile'} & set(mode.split())]
             for work, modes in MODES.items()}


def numpy_of(tensors):
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model.eval()

    def forward(self, images):
        return self.model(images)[0]


class Setting:
    """The model, the batch and the direction in one memory layout."""

    def __init__(self, problem, layout):
        form = LAYOUTS[layout]
        self.model = Classifier(**problem.model).load_weights(problem.path('weights')).to(memory_format=form).eval()
        self.images = torch.from_numpy(problem.images.copy()).contiguous(memory_format=form)
        self.labels = torch.from_numpy(problem.labels.copy())
        self.parameters = dict(self.model.named_parameters())
        self.direction = {name: self.as_parameter(torch.from_numpy(problem.direction[name].copy()), form)
                          for name in self.parameters}

    @staticmethod
    def as_parameter(tensor, form):
        return tensor.contiguous(memory_format=form) if tensor.dim() == 4 else tensor

    def loss(self, model):
        return F.cross_entropy(model(self.images)[0], self.labels)

    def functional_loss(self):
        """The loss as a function of {name: parameter}."""
        buffers = dict(self.model.named_buffers())
        return lambda parameters: F.cross_entropy(
            functional_call(self.model, {**parameters, **buffers}, (self.images,))[0], self.labels)

    def detached(self):
        return {name: parameter.detach() for name, parameter in self.parameters.items()}

    def named(self, tensors):
        """{name: array} of one tensor a parameter; None, for a parameter that has no part in it, is zero."""
        return numpy_of({name: torch.zeros_like(parameter) if tensor is None else tensor
                         for (name, parameter), tensor in zip(self.parameters.items(), tensors)})


def train_step(setting, words):
    model = setting.model.train()
    parameters = list(setting.parameters.values())
    initial = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.SGD(parameters, lr=worker.RATE, momentum=worker.MOMENTUM,
                                weight_decay=worker.WEIGHT_DECAY, **fused(parameters))
    run = torch.compile(model) if 'compile' in words else model

    def body():
        optimizer.zero_grad(set_to_none=True)
        setting.loss(run).backward()
        optimizer.step()

    def gradient(_):  # after one step the momentum is gradient + decay * weight
        return setting.named(optimizer.state[parameter]['momentum_buffer'] - worker.WEIGHT_DECAY * start
                             for parameter, start in zip(parameters, initial))

    return body, gradient


def fused(parameters):
    """SGD's fused form where this PyTorch has it on the CPU."""
    try:
        torch.optim.SGD(parameters, lr=0.0, fused=True)
    except (TypeError, RuntimeError):
        return {}
    return {'fused': True}


def gradient(setting, words):
    run = torch.compile(setting.model) if 'compile' in words else setting.model
    parameters = list(setting.parameters.values())
    return lambda: torch.autograd.grad(setting.loss(run), parameters, allow_unused=True), setting.named


def double_backward_product(setting, words):
    """(list of vectors) -> (list of products, None for a parameter that has no part in it)."""
    parameters = list(setting.parameters.values())

    def derivative():
        return torch.autograd.grad(setting.loss(setting.model), parameters, create_graph=True, allow_unused=True)

    kept = derivative() if 'retain' in words else None

    def product(v):
        # The gradients that depend on the parameters, and the directions that belong to them.
        gradients, directions = zip(*((g, d) for g, d in zip(kept or derivative(), v)
                                      if g is not None and g.requires_grad))
        return torch.autograd.grad(gradients, parameters, directions, retain_graph=kept is not None,
                                   allow_unused=True)

    return product


def double_backward(setting, words):
    product, v = double_backward_product(setting, words), list(setting.direction.values())
    return lambda: product(v), setting.named


def forward_over_reverse_product(setting, words):
    """{name: vector} -> {name: product}."""
    parameters = setting.detached()
    derivative = grad(setting.functional_loss())
    if 'linearize' in words:
        product = linearize(derivative, parameters)[1]
    else:
        def product(direction):
            return jvp(derivative, (parameters,), (direction,))[1]
    return torch.compile(product) if 'compile' in words else product


def forward_over_reverse(setting, words):
    product, v = forward_over_reverse_product(setting, words), setting.direction
    return lambda: product(v), numpy_of


def inference(setting, words):
    images = setting.images
    with torch.inference_mode():
        if 'freezing' in words:
            from torch._inductor import config
            config.freezing = True
        run = Logits(setting.model)
        if 'frozen' in words:
            run = torch.jit.optimize_for_inference(torch.jit.trace(run, images))
        if 'compile' in words:
            run = torch.compile(run)

    def body():
        with torch.inference_mode():
            return run(images)

    return body, lambda logits: {'logits': logits.numpy()}


def prepare(problem, work, words):
    setting = Setting(problem, words[-1])
    if work.startswith('hvp'):
        by = forward_over_reverse if {'jvp', 'linearize'} & set(words) else double_backward
    else:
        by = {'train_step': train_step, 'gradient': gradient, 'inference': inference}[work]
    return by(setting, words)


def main():
    warnings.simplefilter('ignore')
    options = worker.arguments(__doc__, torch.__version__, MODES)
    torch.set_num_threads(options.threads)
    worker.serve(prepare, options)


if __name__ == '__main__':
    main()
