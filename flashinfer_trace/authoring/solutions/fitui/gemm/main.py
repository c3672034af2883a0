"""Tiled matrix product; the tile is chosen so that one wave of programs fills the GPU."""

from typing import NamedTuple

import torch
import triton

from .kernel import multiply


class Tile(NamedTuple):
    """Extent of a program's work, and how the compiler is to schedule it."""

    m: int
    n: int
    k: int
    warps: int
    stages: int


# Up to which M each tile serves. Small M reads B once and is bound by memory: narrow tiles, so
# that many programs share the reading. Large M is bound by the tensor cores: large tiles.
_TILES = (
    (16, Tile(16, 32, 256, warps=4, stages=5)),
    (32, Tile(32, 32, 256, warps=4, stages=4)),
    (64, Tile(64, 32, 128, warps=4, stages=5)),
    (128, Tile(128, 32, 128, warps=4, stages=4)),
    (256, Tile(128, 64, 128, warps=8, stages=4)),
    (4096, Tile(128, 128, 64, warps=8, stages=4)),
)
_LARGE = Tile(256, 128, 64, warps=8, stages=3)
# Under Triton's interpreter each step costs Python time, whatever its size.
_INTERPRETED = Tile(256, 1024, 1024, warps=4, stages=1)
# Programs that keep most multiprocessors busy. Where N is so small that the tile for M makes
# fewer, that of a smaller M shares the work out further.
_ENOUGH = 96


def _programs(M: int, N: int, tile: Tile) -> int:
    return triton.cdiv(M, tile.m) * triton.cdiv(N, tile.n)


def _choose(M: int, N: int) -> Tile:
    fitting = [tile for limit, tile in _TILES if limit < M]  # those of smaller M
    fitting.append(next((tile for limit, tile in _TILES if limit >= M), _LARGE))
    for tile in reversed(fitting):
        if _programs(M, N, tile) >= _ENOUGH:
            return tile
    return fitting[0]


def run(A: torch.Tensor, B: torch.Tensor, C: torch.Tensor) -> None:
    """Write A @ B.T to `C`, [M, N], float16."""
    (M, K), N = A.shape, B.shape[0]
    tile = _INTERPRETED if A.device.type == "cpu" else _choose(M, N)
    multiply[(_programs(M, N, tile),)](
        A,
        B,
        C,
        M,
        N,
        K,
        BLOCK_M=tile.m,
        BLOCK_N=tile.n,
        BLOCK_K=tile.k,
        GROUP_M=8,
        EVEN_K=K % tile.k == 0,
        num_warps=tile.warps,
        num_stages=tile.stages,
    )
