"""Formulas of operator families: what the least is that an implementation must read and do.

Each takes a ``Call`` and returns ``Work``, or raises ``Unfit``. They are found by what kind of
operator a definition is and by the inputs that it names, so that whoever calls tensors alike needs
no formula of their own. Where it is not sure that something must be read, it is not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.measure.facts import Work
from engine.measure.families import attention, dense, experts, recurrence, sampling, sparse
from engine.measure.families.call import Call
from engine.schema.definition import Definition


class Formula(NamedTuple):
    """One family.

    Args:
        op_type: Of its definitions.
        inputs: What all of them have.
        work: The formula.
    """

    op_type: str
    inputs: frozenset[str]
    work: Callable[[Call], Work]


def _formula(op_type: str, inputs: str, work: Callable[[Call], Work]) -> Formula:
    return Formula(op_type, frozenset(inputs.split()), work)


FORMULAS = (
    _formula("rmsnorm", "hidden_states weight", dense.rmsnorm),
    _formula("gemm", "A B", dense.gemm),
    _formula("rope", "q k cos_sin_cache positions", dense.rope),
    _formula("sampling", "probs", sampling.sample),
    _formula("gqa_paged", "q k_cache v_cache kv_indptr kv_indices", attention.paged_grouped),
    _formula(
        "mla_paged", "q_nope q_pe ckv_cache kpe_cache kv_indptr kv_indices", attention.paged_latent
    ),
    _formula("gqa_ragged", "q k v qo_indptr kv_indptr", attention.ragged),
    _formula("mla_ragged", "q k v qo_indptr kv_indptr", attention.ragged),
    _formula(
        "dsa_paged", "q_nope q_pe ckv_cache kpe_cache sparse_indices", sparse.sparse_attention
    ),
    _formula(
        "dsa_paged",
        "q_index_fp8 k_index_cache_fp8 weights seq_lens block_table",
        sparse.topk_indexer,
    ),
    _formula("moe", "hidden_states gemm1_weights gemm2_weights topk_ids", experts.mixture),
    _formula("moe", "hidden_states gemm1_weights gemm2_weights routing_logits", experts.mixture),
    _formula("gdn", "q k v state A_log a dt_bias b cu_seqlens", recurrence.delta_prefill),
    _formula("gdn", "q k v state A_log a dt_bias b", recurrence.delta_decode),
    _formula(
        "gdn",
        "q k v initial_state initial_state_indices A_log a dt_bias b",
        recurrence.delta_verify,
    ),
    _formula(
        "mamba_ssu", "state x dt A B C D dt_bias state_batch_indices", recurrence.selective_step
    ),
)
"""The first that fits is taken."""


def formula_for(definition: Definition) -> Callable[[Call], Work] | None:
    """The formula of a definition's family, or None where there is none."""
    for found in FORMULAS:
        if found.op_type == definition.op_type and found.inputs <= set(definition.inputs):
            return found.work
    return None
