"""Texts of Triton solutions, and of a program that calls one."""

from __future__ import annotations

KERNEL = """\
import os, sys, time
import torch, triton
import triton.language as tl

@triton.jit
def double(X, Y, n, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(Y + at, tl.load(X + at, mask=at < n) * 2, mask=at < n)

"""
CALL = "    double[(triton.cdiv(x.numel(), 64),)](x, y, x.numel(), 64)\n"
RUN = "def run(x, y):\n" + CALL

# What solutions ask of torch and Triton on the host; it complains where an answer is wrong.
HOST_CODE = """\
import os, sys, time
import torch, triton
import triton.language as tl

props = torch.cuda.get_device_properties(0)
DEVICE = triton.runtime.driver.active.get_active_torch_device()
side = torch.cuda.Stream()

@triton.heuristics({"EVEN": lambda args: args["n"] % args["B"] == 0})
@triton.jit
def double(X, Y, n, B: tl.constexpr, EVEN: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(Y + at, tl.load(X + at, mask=at < n) * 2, mask=at < n)

@torch.compile
def half(x):
    return x / 2

class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.by = torch.nn.Parameter(torch.ones(1, device="cuda"))

    def forward(self, x):
        return x * self.by

def run(x, y):
    if not (x.is_cuda and x.device == DEVICE == torch.empty_like(x).device):
        raise ValueError(x.device)
    assert x.max().item() == 0.123
    if torch.cuda.get_device_capability(x.device) != (9, 0) or props.multi_processor_count < 100:
        raise ValueError(props)
    with torch.cuda.device(x.device), torch.cuda.stream(side), torch.device("cuda"):
        made = torch.zeros(4)
    moved = torch.ones(3).pin_memory().to(0)
    for other in (made, moved, Scale().cuda()(x), half(x), x.new_zeros(3)):
        if other.device.type != "cuda" or torch.empty(2, device=other.device).is_cpu:
            raise ValueError(other)
    host = x.cpu()
    if host.is_cuda or len(host.tolist()) != x.numel() or not torch.zeros(2).is_cpu:
        raise ValueError(host)
    longest = int((x > 0).nonzero().max())
    if x[1:].data_ptr() != x.data_ptr() + 4 or x.data_ptr() % 512 or longest < 0:
        raise ValueError(x.data_ptr())
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        double[lambda meta: (triton.cdiv(x.numel(), meta["B"]),)](x, y, x.numel(), B=64)
    graph.replay()
"""

TUNED = KERNEL.replace(
    "@triton.jit",
    "@triton.autotune([triton.Config({'B': b}, num_warps=w) for b in (64, 128) for w in (1, 2)],"
    " key=['n'], cache_results=True)\n@triton.jit",
) + (
    "def run(x, y):\n"
    "    double[lambda meta: (triton.cdiv(x.numel(), meta['B']),)](x, y, x.numel())\n"
)

# A program that calls a solution through Triton's own way: with a GPU's driver, or one that only
# compiles. It prints whether each kernel was found in the cache.
NORMAL_CALL = """\
import importlib, json, sys
import torch, triton
from triton.backends.compiler import GPUTarget

device, package, name, entry, call, passing = sys.argv[1:]
call = json.loads(call)
if device == "cpu":
    class Utils:
        def get_device_properties(self, device):
            return {"max_shared_mem": 1 << 20}
        def load_binary(self, *_):
            return 1, 1, 1, 0, 1024
    class Driver:
        utils = Utils()
        def launcher_cls(self, *_):
            return lambda *_: None
        def get_current_target(self):
            return GPUTarget("cuda", 90, 32)
        def get_current_device(self):
            return 0
        def get_current_stream(self, device):
            return 0
    triton.runtime.driver.set_active(Driver())
hits = []
triton.knobs.compilation.listener = lambda *, cache_hit, **_: hits.append(cache_hit)
sys.path.insert(0, package)
run = getattr(importlib.import_module(name), entry)
make = lambda metas: {
    meta["name"]: torch.zeros(meta["shape"], dtype=getattr(torch, meta["dtype"]), device=device)
    for meta in metas
}
tensors = {**make(call["tensors"]), **call["scalars"]}
destinations = make(call["outputs"]).values() if passing == "True" else []
run(*(tensors[name] for name in call["order"]), *destinations)
print(json.dumps(hits))
"""
