"""The kernel: one program a tile of C, walking along K with float32 accumulation."""

import triton
import triton.language as tl


@triton.jit
def multiply(
    a_ptr,
    b_ptr,
    c_ptr,
    M,
    N,
    K,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
    EVEN_K: tl.constexpr,
):
    # Tiles are numbered down columns of GROUP_M rows, so that programs that run at the same time
    # share their parts of A and B in L2.
    tile = tl.program_id(0)
    rows_of_tiles = tl.cdiv(M, BLOCK_M)
    tiles_in_group = GROUP_M * tl.cdiv(N, BLOCK_N)
    first_row = tile // tiles_in_group * GROUP_M
    group_height = tl.minimum(rows_of_tiles - first_row, GROUP_M)
    tile_m = first_row + tile % tiles_in_group % group_height
    tile_n = tile % tiles_in_group // group_height

    # Rows past the end wrap around: they are read in bounds, computed and never stored.
    m = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
    k = tl.arange(0, BLOCK_K)
    a_row = a_ptr + (m % M).to(tl.int64)[:, None] * K
    b_row = b_ptr + (n % N).to(tl.int64)[None, :] * K

    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start in range(0, K, BLOCK_K):
        if EVEN_K:
            a = tl.load(a_row + (start + k)[None, :])
            b = tl.load(b_row + (start + k)[:, None])
        else:
            inside = start + k < K
            a = tl.load(a_row + (start + k)[None, :], mask=inside[None, :], other=0.0)
            b = tl.load(b_row + (start + k)[:, None], mask=inside[:, None], other=0.0)
        total = tl.dot(a, b, total)

    c = c_ptr + m.to(tl.int64)[:, None] * N + n[None, :]
    inside = (m < M)[:, None] & (n < N)[None, :]
    tl.store(c, total.to(c_ptr.dtype.element_ty), mask=inside)
