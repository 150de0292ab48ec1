#!/usr/bin/env python3
"""Benchmark peer: PyTorch DistributedDataParallel on the same MNIST and CIFAR-10 nets, one JSON line on stdout.

    python ddp.py --model mrelu-r-m --batch 128 --steps 200 --warmup 20 --processes 2
    python ddp.py --data cifar10 --batch 100 --processes 1

Processes of one thread each, gloo on the loopback interface, rendezvous through a file in a fresh temporary folder.
With `--rank R --rendezvous FILE --interface NAME` this is one process of those, on a host of its own.
`--processes 1` is plain single-process training without DDP. `--batch` is the global batch; each process takes an equal
share and, as usual with DDP, its batch norm sees that share.

Written as someone who wants speed would: native modules and fused SGD, the faster of both memory layouts (tried before the
warm-up), no read-back of the loss inside the loop, gradients as views of the communication buckets, static graph, no
broadcast of batch-norm buffers. `--compile` adds torch.compile (needs a C++ compiler). The numbers cover what a training
loop does per step: gather a random batch, forward, loss, backward, exchange, update.

Exit status 77, with a one-line reason, where torch is missing.
"""

import argparse
import inspect
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from datetime import timedelta

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

try:
    import torch
    import torch.distributed as dist
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as error:
    print(f"torch is not installed: {error}", file=sys.stderr)
    sys.exit(77)

POOL_IMAGES = 8192  # synthetic training set, resident in every process
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.001, 0.9, 5e-4
TRIAL_STEPS = 8
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
# Weight of the other classes in the hybrid loss: alpha3 of METHOD.md 1.6.
OUTSIDE = {"mnist": 0, "cifar10": 1 / 9}


class MirroredRelu(nn.Module):
    def forward(self, x):
        return F.relu(1 - x.abs())


class Network(nn.Module):
    """The nets of METHOD.md 1.3 to 1.7. Returns the last layer's outputs; the loss applies softmax or the RBF."""

    def __init__(self, data, saf, outputs):
        super().__init__()
        build = cifar10_layers if data == "cifar10" else mnist_layers
        self.layers = nn.Sequential(*build(saf, outputs))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.layers(x)


def mnist_layers(saf, outputs):
    activation = MirroredRelu if saf else nn.Identity
    layers = []
    for inputs, channels in ((1, 20), (20, 50)):
        layers += [nn.Conv2d(inputs, channels, 5), batch_norm(channels), activation(), nn.MaxPool2d(2)]
    return layers + [nn.Conv2d(50, 500, 4), batch_norm(500), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(500, outputs)]


def cifar10_layers(saf, outputs):
    """Robust nets have batch norm and the SAF before each pooling; the plain one neither, and pools before its first ReLU.

    Pools of 3 with stride 2, whose last window may reach one pixel over the bottom and the right edge: 32, 16, 8, 4.
    `ceil_mode` does that, and an average over such a window divides by the pixels inside, as everywhere here.
    """
    activation = MirroredRelu if saf else nn.ReLU
    norm = batch_norm if saf else lambda channels: nn.Identity()
    max_pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    first = [activation(), max_pool] if saf else [max_pool, nn.ReLU(inplace=True)]
    layers = [nn.Conv2d(3, 32, 5, padding=2), norm(32), *first]
    for inputs, channels in ((32, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, channels, 5, padding=2), norm(channels), activation()]
        layers += [nn.AvgPool2d(3, 2, ceil_mode=True)]
    return layers + [nn.Conv2d(64, 64, 4), norm(64), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, outputs)]


def batch_norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-4, momentum=0.05)


def hybrid_loss(outside):
    """Stable form: cross-entropy on -z^2, plus (1 - y_c)^2 and `outside` times the other classes' y^2, mean over the batch."""

    def loss(z, target):
        logits = -z * z
        chosen = logits.gather(1, target[:, None])
        value = F.cross_entropy(logits, target) + (1 - chosen.exp()).square().mean()
        if outside == 0:
            return value
        others = (2 * logits).exp().sum(1, keepdim=True) - (2 * chosen).exp()
        return value + outside * others.mean()

    return loss


def make_optimizer(model):
    """No decay on batch norm."""
    norms = [p for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()]
    excluded = {id(p) for p in norms}
    others = [p for p in model.parameters() if id(p) not in excluded]
    groups = [{"params": others, "weight_decay": WEIGHT_DECAY}, {"params": norms, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=LEARNING_RATE, momentum=MOMENTUM, fused=True)


def parallel(model):
    """DDP that exchanges gradients only; newer releases have another name for leaving the buffers alone."""
    wrapper = nn.parallel.DistributedDataParallel
    known = inspect.signature(wrapper.__init__).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    return wrapper(model, gradient_as_bucket_view=True, static_graph=True, **{buffers: False})


class Trainer:
    def __init__(self, options, rank, layout, wrap):
        torch.manual_seed(0)
        saf, outputs = options.model != "plain", 12 if options.model.endswith("-r-m") else 10
        model = Network(options.data, saf, outputs).to(memory_format=layout)
        self.optimizer = make_optimizer(model)
        self.loss = hybrid_loss(OUTSIDE[options.data]) if saf else F.cross_entropy
        self.layout = layout
        self.share = options.batch // options.processes
        if wrap:
            model = parallel(model)
        self.model = torch.compile(model) if options.compile else model
        generator = torch.Generator().manual_seed(1 + rank)
        raw = torch.randint(0, 256, (POOL_IMAGES, *SHAPES[options.data]), generator=generator).float()
        self.images = (raw - raw.mean(0)).contiguous(memory_format=layout)
        self.labels = torch.randint(0, outputs, (POOL_IMAGES,), generator=generator)
        self.generator = generator
        self.order, self.next = None, POOL_IMAGES

    def batch(self):
        if self.next + self.share > POOL_IMAGES:
            self.order, self.next = torch.randperm(POOL_IMAGES, generator=self.generator), 0
        chosen = self.order[self.next : self.next + self.share]
        self.next += self.share
        images = self.images.index_select(0, chosen)
        return images.contiguous(memory_format=self.layout), self.labels.index_select(0, chosen)

    def step(self):
        images, labels = self.batch()
        loss = self.loss(self.model(images), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def fastest_layout(options, rank):
    """Name of the layout with the shorter median step; every process tries, the first one decides."""
    if options.layout != "auto":
        return options.layout
    medians = []
    for layout in LAYOUTS.values():
        trainer = Trainer(options, rank, layout, wrap=False)
        times = []
        for _ in range(TRIAL_STEPS):
            begin = time.perf_counter()
            trainer.step()
            times.append(time.perf_counter() - begin)
        medians.append(statistics.median(times[2:]))
    choice = torch.tensor(medians.index(min(medians)))
    if options.processes > 1:
        dist.broadcast(choice, src=0)
    return list(LAYOUTS)[int(choice)]


def run(rank, options, folder):
    torch.set_num_threads(1)
    distributed = options.processes > 1
    if distributed:
        os.environ["GLOO_SOCKET_IFNAME"] = options.interface
        dist.init_process_group(
            "gloo",
            init_method=f"file://{options.rendezvous or os.path.join(folder, 'rendezvous')}",
            rank=rank,
            world_size=options.processes,
            timeout=timedelta(seconds=60),
        )
    layout = fastest_layout(options, rank)
    trainer = Trainer(options, rank, LAYOUTS[layout], wrap=distributed)
    for _ in range(options.warmup):
        trainer.step()
    if distributed:
        dist.barrier()

    times, cpu_begin, begin = [], time.process_time(), time.perf_counter()
    last = begin
    for _ in range(options.steps):
        loss = trainer.step()
        now = time.perf_counter()
        times.append(now - last)
        last = now
    if distributed:
        dist.barrier()  # the slowest process ends the run
    wall = time.perf_counter() - begin
    totals = torch.tensor([time.process_time() - cpu_begin, float(loss) / options.processes], dtype=torch.float64)
    if distributed:
        dist.all_reduce(totals)
    cpu, mean_loss = totals.tolist()
    if rank == 0:
        samples = options.batch * options.steps
        line = {
            "peer": "pytorch-ddp" if distributed else "pytorch",
            "torch": torch.__version__,
            "data": options.data,
            "model": options.model,
            "batch": options.batch,
            "steps": options.steps,
            "processes": options.processes,
            "layout": layout,
            "compiled": options.compile,
            "samples_per_second": round(samples / wall, 1),
            "cpu_seconds": round(cpu, 3),
            "samples_per_cpu_second": round(samples / cpu, 1),
            "wall_seconds": round(wall, 3),
            "step_ms_median": round(1000 * statistics.median(times), 3),
            "loss": round(mean_loss, 4),
        }
        print(json.dumps(line), flush=True)
    if distributed:
        dist.barrier()
        # gloo's threads may still run when the interpreter takes them down, and abort the process: it ends without.
        sys.stdout.flush()
        os._exit(0)


def count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def main():
    parser = argparse.ArgumentParser(description="PyTorch DDP peer of the training benchmark")
    parser.add_argument("--data", choices=list(SHAPES), default="mnist")
    parser.add_argument("--model", choices=["plain", "mrelu", "mrelu-r-m"], default="mrelu-r-m")
    parser.add_argument("--batch", type=count, default=128, help="global batch")
    parser.add_argument("--steps", type=count, default=100)
    parser.add_argument("--warmup", type=count, default=10)
    parser.add_argument("--processes", type=count, default=2)
    parser.add_argument("--layout", choices=["auto", *LAYOUTS], default="auto")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument("--timeout", type=count, default=600, help="seconds after which the run is given up")
    parser.add_argument("--interface", default="lo", help="network interface that gloo uses")
    parser.add_argument("--rank", type=int, help="be this one process, met by the others at --rendezvous")
    parser.add_argument("--rendezvous", help="file that all processes see and that does not exist yet")
    options = parser.parse_args()
    if (options.rank is None) != (options.rendezvous is None):
        parser.error("--rank and --rendezvous go together")
    if options.batch % options.processes != 0:
        parser.error(f"--batch {options.batch} is not a multiple of --processes {options.processes}")
    if options.batch // options.processes > POOL_IMAGES:
        parser.error(f"--batch is more than {POOL_IMAGES} per process")
    if options.processes == 1 or options.rank is not None:
        run(options.rank or 0, options, None)
        return 0

    folder = tempfile.mkdtemp(prefix="saf-ddp-")
    context = torch.multiprocessing.spawn(run, args=(options, folder), nprocs=options.processes, join=False)
    deadline = time.monotonic() + options.timeout
    try:
        while not context.join(timeout=1):  # raises when a process fails, after ending the others
            if time.monotonic() > deadline:
                print(f"no result within {options.timeout} s", file=sys.stderr)
                return 1
        return 0
    finally:
        for process in context.processes:
            if process.is_alive():
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
