"""The shapes of the backbones: channels of the stem, and stages of (blocks, channels, stride of the first block)."""

BACKBONES = {
    'resnet18': (64, [(2, 64, 1), (2, 128, 2), (2, 256, 2), (2, 512, 2)]),
    'small': (16, [(1, 32, 2), (1, 64, 2), (1, 128, 2)]),
}
