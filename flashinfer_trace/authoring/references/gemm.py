"""Matrix product with a transposed right operand: C = A B^T, summed in float32.

Products of two float16 numbers are exact in float32, so only the order of the sum can move a
result, and by far less than the rounding to float16. On CUDA this needs TF32 switched off, which
is PyTorch's default.
"""

import torch


@torch.no_grad()
def run(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """Multiply A by the transpose of B.

    Args:
        A: [M, K], float16.
        B: [N, K], float16.

    Returns:
        [M, N], float16.
    """
    product = A.float() @ B.float().transpose(0, 1)
    return product.to(A.dtype)
