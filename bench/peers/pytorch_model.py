"""The published models in PyTorch, with the parameter names of their weights.

ResNet-18 with the CIFAR stem (or the small backbone) under `backbone.backbone`, one of four heads under
`head`. `Classifier(**config['model'])` takes the `model` object of any run's configuration, and
`load_run(directory)` a whole run directory. docs/design/heads.md has the formulas.
"""

import json
import os

import safetensors_file
import torch
from backbones import BACKBONES
from torch import nn
from torch.nn import functional as F


class TorchRandom:
    """Supplies a head's random numbers in training; train_compare.py puts ours in its place."""

    def dropout(self, x, p):
        return F.dropout(x, p)

    def hidden_dropout(self, hidden, p, indices=None):
        """hidden [N, E, H]: every expert's hidden units; indices [N, k]: the experts that count, if not all."""
        return F.dropout(hidden, p)

    def normal_like(self, x):
        return torch.randn_like(x)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2015), named as in torchvision."""

    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.downsample = None
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + shortcut)


class ResNet(nn.Module):
    """A stem and stages of (blocks, channels, stride of the first block); pooled features."""

    def __init__(self, in_channels, stem, stages):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, stem, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        channels = stem
        self.stages = []
        for i, (blocks, width, stride) in enumerate(stages, start=1):
            layers = [BasicBlock(channels if j == 0 else width, width, stride if j == 0 else 1)
                      for j in range(blocks)]
            setattr(self, f'layer{i}', nn.Sequential(*layers))
            self.stages.append(f'layer{i}')
            channels = width
        self.features = channels

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return x.mean((2, 3))


def one_of(field, value, known):
    if value not in known:
        raise ValueError(f'{field}: must be one of {", ".join(known)}, got {value!r}')


class Backbone(nn.Module):
    """`initialisation`: 'pytorch', every convolution from its layer's default; 'torchvision', all but the first
    normal with the variance 2 / (filters * kernel area)."""

    def __init__(self, name='resnet18', in_channels=3, initialisation='pytorch'):
        super().__init__()
        self.backbone = ResNet(in_channels, *BACKBONES[name])
        self.features = self.backbone.features
        one_of('initialisation', initialisation, ('pytorch', 'torchvision'))
        if initialisation == 'torchvision':
            for module in self.backbone.modules():
                if isinstance(module, nn.Conv2d) and module is not self.backbone.conv1:
                    nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, x):
        return self.backbone(x)


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.random = TorchRandom()

    def dropout(self, x, p):
        return self.random.dropout(x, p) if self.training and p else x


class DenseHead(Head):
    def __init__(self, features, classes=10, width=512, dropout=0.1):
        super().__init__()
        self.p = dropout
        self.fc = nn.ModuleDict({'0': nn.Linear(features, width), '3': nn.Linear(width, classes)})

    def forward(self, x):
        return self.fc['3'](self.dropout(F.relu(self.fc['0'](x)), self.p)), {}


class Expert(nn.Module):
    def __init__(self, features, width, classes):
        super().__init__()
        self.net = nn.ModuleDict({'0': nn.Linear(features, width), '3': nn.Linear(width, classes)})


class MoeHead(Head):
    """Experts with dropout on their hidden units."""

    def __init__(self, features, classes, experts, expert_width, dropout):
        super().__init__()
        self.p = dropout
        self.experts = nn.ModuleList(Expert(features, expert_width, classes) for _ in range(experts))

    def mix(self, x, probabilities, indices=None):
        """Sum over experts of p_e * expert_e(x); probabilities [N, E], zero outside indices [N, k]."""
        hidden = torch.stack([F.relu(expert.net['0'](x)) for expert in self.experts], 1)  # [N, E, H]
        if self.training and self.p:
            hidden = self.random.hidden_dropout(hidden, self.p, indices)
        outputs = torch.stack([expert.net['3'](hidden[:, e]) for e, expert in enumerate(self.experts)], 1)
        return (probabilities.unsqueeze(2) * outputs).sum(1)


def router_z(logits):
    """Mean squared log-sum-exp (ST-MoE, eq. 5)."""
    return torch.logsumexp(logits, 1).square().mean()


def cv_squared(x, epsilon_inside):
    """Biased variance over squared mean; the published importance adds its epsilon to x."""
    if epsilon_inside:
        x = x + 1e-8
        return x.var(unbiased=False) / x.mean() ** 2
    return x.var(unbiased=False) / (x.mean() + 1e-8) ** 2


def with_balance_loss(gate, terms):
    """`gate` with the sum of `terms`, if there are any."""
    return dict(gate, balance_loss=sum(terms)) if terms else gate


class SoftMoeHead(MoeHead):
    def __init__(self, features, classes=10, experts=8, expert_width=64, temperature=1.0, dropout=0.1,
                 gate_input_dropout=0.1, gate_logits_dropout=0.1, balance=0.0, router_z=0.0):
        super().__init__(features, classes, experts, expert_width, dropout)
        self.gate = nn.Linear(features, experts)
        self.temperature, self.balance, self.router_z = temperature, balance, router_z
        self.input_dropout, self.logits_dropout = gate_input_dropout, gate_logits_dropout

    def forward(self, x):
        raw = self.gate(self.dropout(x, self.input_dropout))
        p = F.softmax(self.dropout(raw, self.logits_dropout) / self.temperature, 1)
        terms = []
        if self.balance:
            uniform = 1.0 / p.size(1)
            mean = p.mean(0).clamp_min(1e-8)
            terms.append(self.balance * (uniform * (torch.log(torch.full_like(mean, uniform))
                                                    - torch.log(mean))).mean())
        if self.router_z:
            terms.append(self.router_z * router_z(raw))
        return self.mix(x, p), with_balance_loss({'probs': p}, terms)


class SparseGate(nn.Module):
    def __init__(self, features, experts):
        super().__init__()
        self.w_gate = nn.Linear(features, experts)
        self.w_noise = nn.Linear(features, experts)


def smooth_load(clean, noisy, deviation, k):
    """Shazeer et al. (2017), eq. 8-10: per expert the expected number of samples that would choose it if its
    noise alone were drawn again."""
    experts = noisy.size(1)
    if k == experts:
        return torch.full_like(noisy[0], noisy.size(0))
    columns = []
    for e in range(experts):
        others = torch.cat([noisy[:, :e], noisy[:, e + 1:]], 1)
        threshold = others.topk(k, 1).values[:, -1]
        columns.append(torch.distributions.Normal(0.0, 1.0).cdf((clean[:, e] - threshold) / deviation[:, e]).sum())
    return torch.stack(columns)


ROUTER_ORDERS = ('topk_softmax', 'softmax_topk', 'softmax_topk_renormalized')


def within_capacity(indices, experts, capacity):
    """Which of the choices [N, k] their expert still takes: the first `capacity` samples of the batch."""
    chosen = F.one_hot(indices, experts).sum(1)  # [N, E]
    return (chosen.cumsum(0) <= capacity).gather(1, indices)


class SparseMoeHead(MoeHead):
    def __init__(self, features, classes=10, experts=8, expert_width=64, top_k=2, temperature=1.0,
                 dropout=0.1, gate_input_dropout=0.1, gate_logits_dropout=0.1, importance=0.2, load=0.2,
                 load_estimator='probability', switch_balance=0.0, router_z=0.0, router_order='topk_softmax',
                 capacity=0):
        super().__init__(features, classes, experts, expert_width, dropout)
        one_of('load_estimator', load_estimator, ('probability', 'smooth'))
        one_of('router_order', router_order, ROUTER_ORDERS)
        self.gate = SparseGate(features, experts)
        self.k, self.temperature, self.order, self.capacity = top_k, temperature, router_order, capacity
        self.input_dropout, self.logits_dropout = gate_input_dropout, gate_logits_dropout
        self.importance, self.load, self.load_estimator = importance, load, load_estimator
        self.switch_balance, self.router_z = switch_balance, router_z

    def choose(self, logits):
        """The weights and the indices [N, k] of the experts that each sample keeps."""
        order = logits.sort(dim=1, descending=True, stable=True)  # stable: ties go to the lower expert
        kept, indices = order.values[:, :self.k], order.indices[:, :self.k]
        if self.order == 'softmax_topk':
            return F.softmax(logits, 1).gather(1, indices), indices
        return F.softmax(kept, 1), indices  # softmax_topk_renormalized is the same function

    def forward(self, x):
        inputs = self.dropout(x, self.input_dropout)
        raw = self.gate.w_gate(inputs)
        clean = noisy = (raw - raw.mean(1, keepdim=True)) / (raw.std(1, keepdim=True) + 1e-5)
        deviation = None
        if self.training:
            deviation = F.softplus(self.gate.w_noise(inputs)) + 0.3
            noisy = clean + self.random.normal_like(clean) * deviation
        logits = self.dropout(noisy, self.logits_dropout) / self.temperature
        weights, indices = self.choose(logits)
        p = torch.zeros_like(logits).scatter(1, indices, weights)  # what the gate wanted, dropped ones included
        answered = p
        if self.capacity:
            taken = within_capacity(indices, p.size(1), self.capacity)
            answered = torch.zeros_like(logits).scatter(1, indices, weights * taken)
        gate = {'probs': p, 'indices': indices}
        return self.mix(x, answered, indices), with_balance_loss(
            gate, self.balance_terms(raw, logits, gate, clean, noisy, deviation))

    def balance_terms(self, raw, logits, gate, clean, noisy, deviation):
        p, indices = gate['probs'], gate['indices']
        counts = F.one_hot(indices, p.size(1)).to(p.dtype).sum((0, 1))
        load = p.sum(0)
        if self.load_estimator == 'smooth':
            load = counts if deviation is None else smooth_load(clean, noisy, deviation, self.k)
        terms = []
        if self.importance:
            terms.append(self.importance * cv_squared(p.sum(0), True))
        if self.load:
            terms.append(self.load * cv_squared(load, False))
        if self.switch_balance:
            share = counts / indices.numel()
            terms.append(self.switch_balance * p.size(1) * (share * F.softmax(logits, 1).mean(0)).sum())
        if self.router_z:
            terms.append(self.router_z * router_z(raw))
        return terms


HEADS = {'dense': DenseHead, 'soft_moe': SoftMoeHead, 'sparse_moe': SparseMoeHead, 'hard_moe': SparseMoeHead}


class Classifier(nn.Module):
    """Returns (logits, gate): what the gate did as a dict, empty for the dense head. `backbone` and `head` are the
    two objects of a configuration's `model`; a field that neither has raises TypeError and names it."""

    def __init__(self, backbone=None, head=None):
        super().__init__()
        self.backbone = Backbone(**(backbone or {}))
        options = {key: value for key, value in (head or {'name': 'dense'}).items()}
        name = options.pop('name')
        if name == 'hard_moe':
            options['top_k'] = 1
        self.head = HEADS[name](self.backbone.features, **options)

    def forward(self, images):
        return self.head(self.backbone(images))

    def load_weights(self, path):
        """Takes the model's tensors from a safetensors file, which may hold others too (an optimiser's)."""
        tensors = {name: torch.from_numpy(array.copy()) for name, array in safetensors_file.read(path).items()}
        self.load_state_dict({name: tensors[name] for name in self.state_dict() if name in tensors})
        return self


def load_run(directory, weights='best.safetensors'):
    """The model of a run directory in evaluation mode, with the weights that did best in validation."""
    with open(os.path.join(directory, 'config.json')) as file:
        config = json.load(file)
    dtype = getattr(torch, config.get('dtype', 'float32'))
    return Classifier(**config['model']).to(dtype).load_weights(os.path.join(directory, weights)).eval()
