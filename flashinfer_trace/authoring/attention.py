"""What the families of attention say alike: models, axes, tensors, constraints, solutions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flashinfer_trace.authoring.serving import Called, RaggedBatches
from flashinfer_trace.authoring.spec import Axis, Definition, Problem, Solution, Tensor

_MODELS = {
    "deepseek-r1": "DeepSeek R1",
    "deepseek-v3": "DeepSeek V3",
    "gemma-3-27b": "Gemma 3 27B",
    "kimi-k2": "Kimi K2",
    "llama-3.1-70b": "Llama 3.1 70B",
    "llama-3.1-8b": "Llama 3.1 8B",
    "llama-3.2-3b": "Llama 3.2 3B",
    "llama-4-scout": "Llama 4 Scout",
    "llama-4-scout-17b-16e": "Llama 4 Scout",
    "minimax-m2": "MiniMax M2",
    "mixtral-8x22b": "Mixtral 8x22B",
    "phi-4-14b": "Phi 4 14B",
    "qwen3-14b": "Qwen3 14B",
    "qwen3-235b": "Qwen3 235B",
    "qwen3-30b-a3b": "Qwen3 30B A3B",
    "qwen3-32b": "Qwen3 32B",
    "qwen3-next-80b-a3b": "Qwen3 Next 80B A3B",
}

_COUNTS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 8: "eight"}


@dataclass(frozen=True)
class Source:
    """Where a shape comes from: `status` and slugs of models as in the tags, GPUs of a replica."""

    status: str
    models: tuple[str, ...]
    gpus: int = 1

    def tags(self, stage: str, wrapper: str) -> tuple[str, ...]:
        """Return the tags; `wrapper` is the class of FlashInfer that does the same."""
        return (
            f"stage:{stage}",
            f"status:{self.status}",
            *(f"model:{model}" for model in self.models),
            f"fi_api:flashinfer.{wrapper}",
            f"tp:{self.gpus}",
        )

    def text(self) -> str:
        """Return the models in words."""
        names = " and ".join(_MODELS[model] for model in self.models)
        return names if self.gpus == 1 else f"{names} split over {count(self.gpus)} GPUs"


def count(number: int) -> str:
    """Return a small number as a word."""
    return _COUNTS.get(number, str(number))


def pages_of(page_size: int) -> str:
    """Return the pages of a cache in words."""
    return "pages of one token" if page_size == 1 else f"pages of {page_size} tokens"


def heads_of(heads: int, kv_heads: int) -> str:
    """Return the heads of grouped-query attention in words."""
    if kv_heads == 1:
        return f"{heads} query heads over one KV head"
    return f"{heads} query heads in groups of {count(heads // kv_heads)} over {kv_heads} KV heads"


CAUSAL = (
    "The queries of a sequence belong to the last of its tokens and see nothing that comes after "
    "themselves. Returns the attention output and the base-2 log-sum-exp that merges partial "
    "results; a query that sees nothing gives 0 and -inf."
)

LEN_INDPTR = Axis("len_indptr", "Sequences in the batch, and one.")
BATCH_SIZE = Axis("batch_size", "Sequences in the batch.")
TOTAL_Q = Axis("total_q", "Query tokens of all sequences.")
TOTAL_KV = Axis("total_kv", "Key and value tokens of all sequences.")
NUM_PAGES = Axis("num_pages", "Pages in the cache, of this batch or not.")
NUM_KV_INDICES = Axis("num_kv_indices", "Pages in use by the batch.")

QO_INDPTR = Tensor(
    "qo_indptr",
    ("len_indptr",),
    "int32",
    "Sequence b asks with query tokens qo_indptr[b] to qo_indptr[b + 1], the end left out.",
)
KV_INDPTR = Tensor(
    "kv_indptr",
    ("len_indptr",),
    "int32",
    "Sequence b owns kv_indices[kv_indptr[b]:kv_indptr[b + 1]].",
)
KV_OFFSETS = Tensor(
    "kv_indptr",
    ("len_indptr",),
    "int32",
    "Sequence b has key tokens kv_indptr[b] to kv_indptr[b + 1], the end left out.",
)
KV_INDICES = Tensor(
    "kv_indices",
    ("num_kv_indices",),
    "int32",
    "Page numbers, sequence after sequence, in token order.",
)
KV_LAST_PAGE_LEN = Tensor(
    "kv_last_page_len",
    ("batch_size",),
    "int32",
    "Tokens in the last page of each sequence, 1 to page_size; all other pages are full.",
)

SM_SCALE = Tensor("sm_scale", None, "float32", "Factor of the scores, usually 1/sqrt(head_dim).")

MLA_SM_SCALE = Tensor(
    "sm_scale",
    None,
    "float32",
    "Factor of the scores: 1/sqrt(192), the length of a key before absorption, times what makes "
    "up for stretched rotary angles.",
)

RAGGED_BATCHES: RaggedBatches = (
    (1, 1, 1), (1, 7, 7), (1, 35, 35), (2, 81, 81), (5, 92, 92), (15, 982, 982),
    (4, 500, 1500), (10, 4096, 4096), (25, 6000, 6000),
)  # fmt: skip
"""Where no batches were captured."""

_LSE = "log2 of the sum of exp(score), the scores scaled by sm_scale."

_PAGES_IN_USE = "num_kv_indices == kv_indptr[-1].item()"
_PAGES_EXIST = "((kv_indices >= 0) & (kv_indices < num_pages)).all().item()"
_ONE_MORE = "len_indptr == batch_size + 1"
_LAST_PAGE = "((kv_last_page_len >= 1) & (kv_last_page_len <= page_size)).all().item()"


def head_axes(heads: int, kv_heads: int, head_dim: int) -> tuple[Axis, ...]:
    """Return the axes of the heads of grouped-query attention."""
    sharing = f"each shared by {count(heads // kv_heads)} query heads"
    return (
        Axis("num_qo_heads", "Query heads.", heads),
        Axis("num_kv_heads", f"Key and value heads, {sharing}.", kv_heads),
        Axis("head_dim", "Numbers in a head.", head_dim),
    )


def mla_scale(stretch: int) -> float:
    """Return the factor of the scores when rotary angles serve `stretch` times the context."""
    return (1 + 0.1 * math.log(stretch)) ** 2 / math.sqrt(192)


def outputs(rows: str, width: str) -> tuple[Tensor, Tensor]:
    """Return the two results; the axes of the queries and of a value's numbers."""
    return (
        Tensor(
            "output",
            (rows, "num_qo_heads", width),
            "bfloat16",
            "Values averaged by attention weight.",
        ),
        Tensor("lse", (rows, "num_qo_heads"), "float32", _LSE),
    )


def template(operator: str, page_size: int) -> str:
    """Return the reference's name; with larger pages it also takes the length of the last."""
    return operator if page_size == 1 else f"{operator}_last_page"


def problem(definition: Definition, called: Called) -> Problem:
    """Return a definition with its workloads, and the solutions named as its reference."""
    workloads, blobs = called
    return Problem(definition, workloads, _solutions(definition), blobs)


def page_size_axis(page_size: int) -> Axis:
    """Return the axis of the tokens in a page."""
    return Axis("page_size", "Tokens in a page.", page_size)


def paged_inputs(page_size: int) -> tuple[Tensor, ...]:
    """Return the tensors of a page table; one-token pages are always full."""
    table = (KV_INDPTR, KV_INDICES)
    return table if page_size == 1 else (*table, KV_LAST_PAGE_LEN)


def decode_constraints(page_size: int) -> tuple[str, ...]:
    """Return what holds of a page table, one query token for each sequence."""
    found = (_ONE_MORE, _PAGES_IN_USE, *_ascending("kv_indptr"), _PAGES_EXIST)
    return found if page_size == 1 else (*found, _LAST_PAGE)


def paged_prefill_constraints(page_size: int) -> tuple[str, ...]:
    """Return what holds of a page table and of the query tokens of each sequence."""
    queries = ("total_q == qo_indptr[-1].item()", *_ascending("qo_indptr"))
    found = (*queries, _PAGES_IN_USE, *_ascending("kv_indptr"), _PAGES_EXIST)
    return found if page_size == 1 else (_ONE_MORE, *found, _LAST_PAGE)


def ragged_constraints() -> tuple[str, ...]:
    """Return what holds of the query and key tokens of each sequence."""
    return (
        "total_q == qo_indptr[-1].item()",
        "total_kv == kv_indptr[-1].item()",
        *_ascending("qo_indptr"),
        *_ascending("kv_indptr"),
    )


def _ascending(name: str) -> tuple[str, str]:
    return (f"{name}[0].item() == 0", f"({name}[1:] >= {name}[:-1]).all().item()")


def _solutions(definition: Definition) -> tuple[Solution, ...]:
    name, folder = definition.name, definition.reference
    shared, description = _BASELINES["decode" if "decode" in folder else "prefill"]
    baseline = Solution(
        f"torch_{name}", "baseline", "python", False, description, folder=folder, shared=shared
    )
    shared, description = _KERNELS[folder.removesuffix("_last_page")]
    kernel = Solution(
        f"triton_{name}", "fitui", "triton", True, description, folder=folder, shared=shared
    )
    return baseline, kernel


_BASELINES = {
    "decode": (
        "attention_decode",
        "Gathers the pages of the batch into one padded tensor and attends with einsum.",
    ),
    "prefill": (
        "attention_prefill",
        "Sequence after sequence, in blocks of queries, each against the keys that it may see.",
    ),
}

_SPLIT = (
    "Online softmax, one program for {} and split of the tokens; a second kernel merges the splits "
    "by their log-sum-exp."
)
_TILES = (
    "Online softmax, one program for each KV head and tile of queries, the heads of a group side "
    "by side in the tile; programs find their sequence on the device."
)
_LATENT_TILES = (
    "Online softmax, one program for each tile of queries with all their heads, latents loaded "
    "once as keys and values; programs find their sequence on the device."
)
_KERNELS = {
    "gqa_paged_decode": ("gqa_decode", _SPLIT.format("each sequence, KV head")),
    "gqa_paged_prefill_causal": ("attention_prefill", _TILES),
    "ragged_prefill_causal": ("attention_prefill", _TILES),
    "mla_paged_prefill_causal": ("mla_prefill", _LATENT_TILES),
    "mla_paged_decode": ("mla_decode", _SPLIT.format("all heads of each sequence")),
}
