"""What samplers do with a row of probabilities: find the limit of what they keep, draw from it.

The bits of floats that are not negative order as the floats do, so a search over bits finds a
limit, two bits a pass over the row. A probability is at most 1.0, so that its bits stay below 2^30.
"""

import triton
import triton.language as tl


@triton.jit
def find_kth(row_ptr, size, k, BLOCK: tl.constexpr):
    """Return bits that k values reach; more than k where values tie with the k-th.

    The search ends as soon as exactly k values are not below the pivot.
    """
    pivot = tl.full((), 0, dtype=tl.int32)
    reached = size
    step = tl.full((), 1 << 28, dtype=tl.int32)
    while (reached != k) & (step > 0):
        # Counts stay apart until the end of the pass: a sum in each turn would cost a barrier.
        above_1 = tl.zeros((BLOCK,), dtype=tl.int32)
        above_2 = tl.zeros((BLOCK,), dtype=tl.int32)
        above_3 = tl.zeros((BLOCK,), dtype=tl.int32)
        for start in range(0, size, BLOCK):
            token = start + tl.arange(0, BLOCK)
            p = tl.load(row_ptr + token, mask=token < size, other=0.0)
            over = p.to(tl.int32, bitcast=True) - pivot
            above_1 += (over >= step).to(tl.int32)
            above_2 += (over >= 2 * step).to(tl.int32)
            above_3 += (over >= 3 * step).to(tl.int32)
        reach_1 = tl.sum(above_1, axis=0)
        reach_2 = tl.sum(above_2, axis=0)
        reach_3 = tl.sum(above_3, axis=0)
        steps = (reach_1 >= k).to(tl.int32) + (reach_2 >= k) + (reach_3 >= k)
        pivot += steps * step
        reached = tl.where(steps == 1, reach_1, reached)
        reached = tl.where(steps == 2, reach_2, reached)
        reached = tl.where(steps == 3, reach_3, reached)
        step = step // 4
    return pivot


@triton.jit
def find_nucleus(row_ptr, size, target, BLOCK: tl.constexpr):
    """Return the largest bits whose values and larger ones sum to more than `target`.

    A value is in the nucleus exactly if those above it do not yet sum to more than the target:
    the pivot is the last such value, with all that tie with it. 0 where the row does not reach it.
    """
    pivot = tl.full((), 0, dtype=tl.int32)
    step = tl.full((), 1 << 28, dtype=tl.int32)
    while step > 0:
        mass_1 = tl.zeros((BLOCK,), dtype=tl.float32)
        mass_2 = tl.zeros((BLOCK,), dtype=tl.float32)
        mass_3 = tl.zeros((BLOCK,), dtype=tl.float32)
        for start in range(0, size, BLOCK):
            token = start + tl.arange(0, BLOCK)
            p = tl.load(row_ptr + token, mask=token < size, other=0.0)
            over = p.to(tl.int32, bitcast=True) - pivot
            mass_1 += tl.where(over >= step, p, 0.0)
            mass_2 += tl.where(over >= 2 * step, p, 0.0)
            mass_3 += tl.where(over >= 3 * step, p, 0.0)
        pivot += step * (
            (tl.sum(mass_1, axis=0) > target).to(tl.int32)
            + (tl.sum(mass_2, axis=0) > target)
            + (tl.sum(mass_3, axis=0) > target)
        )
        step = step // 4
    return pivot


@triton.jit
def _first_passing(weights, target):
    """Return where the running sum of `weights` first exceeds `target`, and the sum before it.

    Only places with a weight count. Rounding may leave the sum just short of the target: then it
    is the last of them.
    """
    place = tl.arange(0, weights.shape[0])
    running = tl.cumsum(weights, axis=0)
    weighs = weights > 0.0
    passed = tl.min(tl.where(weighs & (running > target), place, weights.shape[0]), axis=0)
    last = tl.max(tl.where(weighs, place, 0), axis=0)
    chosen = tl.minimum(passed, last)
    return chosen, tl.sum(tl.where(place < chosen, weights, 0.0), axis=0)


@triton.jit
def block_sums(row_ptr, size, pivot, BLOCK: tl.constexpr, BLOCKS: tl.constexpr):
    """Return, for each block of the row, the sum of the values that reach the pivot."""
    floor = pivot.to(tl.float32, bitcast=True)
    block = tl.arange(0, BLOCKS)
    sums = tl.zeros((BLOCKS,), dtype=tl.float32)
    for number in range(tl.cdiv(size, BLOCK)):
        token = number * BLOCK + tl.arange(0, BLOCK)
        p = tl.load(row_ptr + token, mask=token < size, other=0.0)
        sums = tl.where(block == number, tl.sum(tl.where(p >= floor, p, 0.0), axis=0), sums)
    return sums


@triton.jit
def draw(row_ptr, size, pivot, uniform, BLOCK: tl.constexpr, BLOCKS: tl.constexpr):
    """Return the token where the running sum of what reaches the pivot passes `uniform` of it."""
    floor = pivot.to(tl.float32, bitcast=True)
    sums = block_sums(row_ptr, size, pivot, BLOCK, BLOCKS)
    target = uniform * tl.sum(sums, axis=0)
    chosen, before = _first_passing(sums, target)
    token = chosen * BLOCK + tl.arange(0, BLOCK)
    p = tl.load(row_ptr + token, mask=token < size, other=0.0)
    place, _ = _first_passing(tl.where(p >= floor, p, 0.0), target - before)
    return (chosen * BLOCK + place).to(tl.int64)
