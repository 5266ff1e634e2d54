"""The published models in PyTorch, with the parameter names of their weights.

ResNet-18 with the CIFAR stem (or the small backbone) under `backbone.backbone`, one of four heads under
`head`. `Classifier(backbone, head)` takes the two objects of a configuration's `model`.
"""

import torch
from torch import nn
from torch.nn import functional as F


class TorchRandom:
    """Where a head's random numbers come from in training; train_compare.py puts ours in its place."""

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


BACKBONES = {
    'resnet18': (64, [(2, 64, 1), (2, 128, 2), (2, 256, 2), (2, 512, 2)]),
    'small': (16, [(1, 32, 2), (1, 64, 2), (1, 128, 2)]),
}


class Backbone(nn.Module):
    def __init__(self, name='resnet18', in_channels=3):
        super().__init__()
        self.backbone = ResNet(in_channels, *BACKBONES[name])
        self.features = self.backbone.features

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


def cv_squared(x, epsilon_inside):
    """Biased variance over squared mean; the published importance adds its epsilon to x."""
    if epsilon_inside:
        x = x + 1e-8
        return x.var(unbiased=False) / x.mean() ** 2
    return x.var(unbiased=False) / (x.mean() + 1e-8) ** 2


class SoftMoeHead(MoeHead):
    def __init__(self, features, classes=10, experts=8, expert_width=64, temperature=1.0, dropout=0.1,
                 gate_input_dropout=0.1, gate_logits_dropout=0.1, balance=0.0):
        super().__init__(features, classes, experts, expert_width, dropout)
        self.gate = nn.Linear(features, experts)
        self.temperature, self.balance = temperature, balance
        self.input_dropout, self.logits_dropout = gate_input_dropout, gate_logits_dropout

    def forward(self, x):
        logits = self.dropout(self.gate(self.dropout(x, self.input_dropout)), self.logits_dropout)
        p = F.softmax(logits / self.temperature, 1)
        gate = {'probs': p}
        if self.balance:
            uniform = 1.0 / p.size(1)
            mean = p.mean(0).clamp_min(1e-8)
            gate['balance_loss'] = self.balance * (uniform * (torch.log(torch.full_like(mean, uniform))
                                                              - torch.log(mean))).mean()
        return self.mix(x, p), gate


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


class SparseMoeHead(MoeHead):
    def __init__(self, features, classes=10, experts=8, expert_width=64, top_k=2, temperature=1.0,
                 dropout=0.1, gate_input_dropout=0.1, gate_logits_dropout=0.1, importance=0.2, load=0.2,
                 load_estimator='probability'):
        super().__init__(features, classes, experts, expert_width, dropout)
        self.gate = SparseGate(features, experts)
        self.k, self.temperature = top_k, temperature
        self.input_dropout, self.logits_dropout = gate_input_dropout, gate_logits_dropout
        self.importance, self.load, self.load_estimator = importance, load, load_estimator

    def forward(self, x):
        inputs = self.dropout(x, self.input_dropout)
        logits = self.gate.w_gate(inputs)
        clean = noisy = (logits - logits.mean(1, keepdim=True)) / (logits.std(1, keepdim=True) + 1e-5)
        if self.training:
            deviation = F.softplus(self.gate.w_noise(inputs)) + 0.3
            noisy = clean + self.random.normal_like(clean) * deviation
        logits = self.dropout(noisy, self.logits_dropout) / self.temperature
        order = logits.sort(dim=1, descending=True, stable=True)  # stable: ties go to the lower expert
        kept, indices = order.values[:, :self.k], order.indices[:, :self.k]
        p = torch.zeros_like(logits).scatter(1, indices, F.softmax(kept, 1))
        load = importance = p.sum(0)
        if self.load_estimator == 'smooth':
            load = (smooth_load(clean, noisy, deviation, self.k) if self.training
                    else F.one_hot(indices, p.size(1)).to(p.dtype).sum((0, 1)))
        balance = self.importance * cv_squared(importance, True) + self.load * cv_squared(load, False)
        return self.mix(x, p, indices), {'probs': p, 'indices': indices, 'balance_loss': balance}


HEADS = {'dense': DenseHead, 'soft_moe': SoftMoeHead, 'sparse_moe': SparseMoeHead, 'hard_moe': SparseMoeHead}


class Classifier(nn.Module):
    """Returns (logits, gate): what the gate did as a dict, empty for the dense head."""

    def __init__(self, backbone, head):
        super().__init__()
        self.backbone = Backbone(**backbone)
        options = {key: value for key, value in head.items() if key != 'name'}
        if head['name'] == 'hard_moe':
            options['top_k'] = 1
        self.head = HEADS[head['name']](self.backbone.features, **options)

    def forward(self, images):
        return self.head(self.backbone(images))
