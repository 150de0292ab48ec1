#!/usr/bin/env python3
"""Benchmark peer: AutoAttack's own package on the MNIST net in PyTorch, one JSON line on stdout.

    python autoattack_torch.py --images 4 --epsilon 0.3

One thread. The net learns to tell ten random patterns under noise, so that the attacks meet one that knows something; the
attacks then run on images that it gets right. What is measured is their time, which follows from the net's shape, from the
number of images and from how many of these each attack leaves unbroken.

Exit status 77, with a one-line reason, where torch or the package `autoattack` is missing.
"""

import argparse
import json
import os
import sys
import time

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

try:
    import torch
except ImportError as error:
    print(f"torch is not installed: {error}", file=sys.stderr)
    sys.exit(77)

try:
    from autoattack import AutoAttack
except ImportError as error:
    print(f"the package autoattack is not installed: {error}", file=sys.stderr)
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ddp import Network, hybrid_loss  # noqa: E402

CLASSES, OUTPUTS = 10, 12
STEPS, BATCH, LEARNING_RATE = 300, 64, 0.02
PATTERN_SHARE = 0.7  # of an image; the rest is noise


class Logits(torch.nn.Module):
    """Images in [0, 1] to what AutoAttack takes for logits: an RBF head answers with the smallest z^2."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        z = self.network(255 * (images - 0.5))[:, :CLASSES]
        return -z * z


def drawn(patterns, count, generator):
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    noise = torch.rand((count, *patterns.shape[1:]), generator=generator)
    return PATTERN_SHARE * patterns[labels] + (1 - PATTERN_SHARE) * noise, labels


def trained(patterns, generator):
    network = Network("mnist", True, OUTPUTS)
    loss_of = hybrid_loss(0)
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=0.9)
    for _ in range(STEPS):
        images, labels = drawn(patterns, BATCH, generator)
        optimizer.zero_grad(set_to_none=True)
        loss_of(network(255 * (images - 0.5)), labels).backward()
        optimizer.step()
    return network.eval()


def main():
    parser = argparse.ArgumentParser(description="AutoAttack peer of the evaluation benchmark")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--epsilon", type=float, default=0.3, help="largest change of a pixel, of its full range")
    options = parser.parse_args()
    if options.images < 1:
        parser.error("--images must be at least 1")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    patterns = torch.rand((CLASSES, 1, 28, 28), generator=generator)
    model = Logits(trained(patterns, generator))

    images, labels = drawn(patterns, options.images, generator)
    with torch.no_grad():
        clean = (model(images).argmax(1) == labels).float().mean().item()
    attack = AutoAttack(model, norm="Linf", eps=options.epsilon, version="standard", device="cpu", verbose=False)
    cpu, begin = time.process_time(), time.perf_counter()
    changed = attack.run_standard_evaluation(images, labels, bs=options.images)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    with torch.no_grad():
        robust = (model(changed).argmax(1) == labels).float().mean().item()
    line = {
        "peer": "autoattack",
        "torch": torch.__version__,
        "images": options.images,
        "epsilon": options.epsilon,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "clean_accuracy": round(clean, 4),
        "robust_accuracy": round(robust, 4),
    }
    print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
