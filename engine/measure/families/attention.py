"""Attention over paged or ragged keys and values, grouped-query or latent."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import torch

from engine.measure.facts import Work
from engine.measure.families.call import Call, Unfit, work
from engine.measure.families.tables import different_tokens, page_counts, spans


class Tensors(NamedTuple):
    """Names of an operator's tensors.

    Args:
        queries: Whose products with the keys sum to a score; [token, head, dim].
        keys: As many, of these dims.
        values: What the scores mix.
    """

    queries: tuple[str, ...]
    keys: tuple[str, ...]
    values: str

    @property
    def cached(self) -> tuple[str, ...]:
        """Keys and values; latents are both at once."""
        return tuple(dict.fromkeys((*self.keys, self.values)))


GROUPED = Tensors(("q",), ("k_cache",), "v_cache")
LATENT = Tensors(("q_nope", "q_pe"), ("ckv_cache", "kpe_cache"), "ckv_cache")
RAGGED = Tensors(("q",), ("k",), "v")


def paged_grouped(call: Call) -> Work:
    """Grouped-query attention over pages [page, token, head, dim], causal with many queries."""
    return _paged(call, GROUPED)


def paged_latent(call: Call) -> Work:
    """The same over pages [page, token, dim], all heads sharing a token's latent."""
    return _paged(call, LATENT)


def ragged(call: Call) -> Work:
    """Causal attention over keys and values [token, head, dim] that lie one after another."""
    queries = _lengths(call, "qo_indptr", call.shape("q", 3)[0])
    tokens = _lengths(call, "kv_indptr", min(call.shape(name, 3)[0] for name in RAGGED.cached))
    seeing, pairs = _causal(queries, tokens)
    read = call.nbytes("qo_indptr") + call.nbytes("kv_indptr")
    read += int(seeing.sum()) * call.row("q")
    read += int(tokens[seeing > 0].sum()) * sum(call.row(name) for name in RAGGED.cached)
    return work(read, call.written(), products(call, RAGGED, pairs))


def products(call: Call, tensors: Tensors, pairs: int) -> Counter[str]:
    """Operations of attention's two products, scores and their mixture.

    Args:
        call: Of attention.
        tensors: Their names.
        pairs: How often a query token meets a key.
    """
    heads = call.shape(tensors.queries[0], 3)[1]
    depth = sum(call.shape(name, 3)[2] for name in tensors.queries)
    width = call.shape(tensors.values, 3, 4)[-1]
    flops = Counter({call.rate(*tensors.queries, *tensors.keys): 2 * pairs * heads * depth})
    flops[call.rate(tensors.values)] += 2 * pairs * heads * width
    return flops


def _paged(call: Call, tensors: Tensors) -> Work:
    num_pages, page_size = call.shape(tensors.values, 3, 4)[:2]
    table = call.table("kv_indices", 1)
    begins, pages = spans(call.table("kv_indptr", 1), len(table))
    tokens = pages * page_size
    if call.has("kv_last_page_len"):
        # Some published workloads have one length too many.
        last = call.table("kv_last_page_len", 1)[: len(pages)].clamp(0, page_size)
        if len(last) < len(pages):
            raise Unfit("a sequence's last page has no length")
        tokens = torch.where(pages > 0, tokens - page_size + last, 0)
    queries = torch.ones_like(pages)
    read = call.nbytes("kv_indptr")
    rows = call.shape(tensors.queries[0], 3)[0]
    if call.has("qo_indptr"):
        queries = _lengths(call, "qo_indptr", rows)
        read += call.nbytes("qo_indptr")
    elif rows != len(pages):
        raise Unfit("not one query for each sequence")
    seeing, pairs = _causal(queries, tokens)

    used = tokens.where(seeing > 0, 0)
    different = different_tokens(table, begins, used, num_pages, page_size)
    read += different * sum(call.row(name, 2) for name in tensors.cached)
    read += int(page_counts(used, page_size).sum()) * call.row("kv_indices")
    if call.has("kv_last_page_len"):
        read += int((used > 0).sum()) * call.row("kv_last_page_len")
    read += int(seeing.sum()) * sum(call.row(name) for name in tensors.queries)
    return work(read, call.written(), products(call, tensors, pairs))


def _lengths(call: Call, name: str, limit: int) -> torch.Tensor:
    return spans(call.table(name, 1), limit)[1]


def _causal(queries: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Of each sequence, how many queries see a key, and of all, how often one sees one.

    The queries are those of the last tokens. Where there are more than tokens, the first ones see
    none.
    """
    if len(queries) != len(tokens):
        raise Unfit("not as many sequences of queries as of keys")
    seeing = torch.minimum(queries, tokens)
    return seeing, int((seeing * tokens - seeing * (seeing - 1) // 2).sum())
