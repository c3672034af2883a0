"""Top-k indexer: dequantise the pages of each sequence, matmul, torch.topk."""

import torch

TOPK = 2048


def run(
    q_index_fp8: torch.Tensor,
    k_index_cache_fp8: torch.Tensor,
    weights: torch.Tensor,
    seq_lens: torch.Tensor,
    block_table: torch.Tensor,
) -> torch.Tensor:
    """Return the chosen tokens of each sequence, [batch_size, TOPK], int32, then -1."""
    batch_size, _, head_dim = q_index_fp8.shape
    page_size = k_index_cache_fp8.shape[1]
    output = torch.full((batch_size, TOPK), -1, dtype=torch.int32, device=q_index_fp8.device)
    for row, length in enumerate(seq_lens.tolist()):
        pages = block_table[row, : -(-length // page_size)]
        packed = k_index_cache_fp8[pages].view(-1, page_size * (head_dim + 4))
        keys = packed[:, : page_size * head_dim].contiguous().view(torch.float8_e4m3fn)
        scales = packed[:, page_size * head_dim :].contiguous().view(torch.float32)
        # A scale is positive, so it passes through the maximum: one factor a token.
        products = keys.float().view(-1, head_dim) @ q_index_fp8[row].float().t()
        scores = (products.relu() @ weights[row] * scales.flatten())[:length]
        best = scores.topk(min(TOPK, length)).indices
        output[row, : len(best)] = pages[best // page_size] * page_size + best % page_size
    return output
