"""Recurrent states: those of sequences with tokens, once, and products with them."""

from __future__ import annotations

from engine.measure.facts import Work
from engine.measure.work import work_of
from tests.engine.measure.bundled_work import (
    definition_of,
    inputs_of,
    table,
    work_with,
    workload_of,
)

STATE = 32 * 128 * 128 * 4
"""Bytes of a sequence's states, 32 heads in float32."""
TOKEN = (16 + 16 + 32) * 128 * 2 + 2 * 32 * 2
"""Bytes of a token's q, k, v, a and b."""
HEADS = 2 * 32 * 4
"""Bytes of A_log and dt_bias."""
PRODUCT = 2 * 32 * 128 * 128
PREFILL = "gdn_prefill_qk16_v32_d128_k_last"
VERIFY = "gdn_mtp_qk16_v32_d128_k_last"
MAMBA = "mamba_ssu_decode_h64_d64_s128_ng4"


def test_a_decoding_step_of_the_delta_rule() -> None:
    name = "gdn_decode_qk16_v32_d128_k_last"
    workload = workload_of(name, batch_size=4)
    batch = workload.axes["batch_size"]
    assert work_of(definition_of(name), workload.axes, inputs_of(name, workload)) == Work(
        read_bytes=batch * (STATE + TOKEN) + HEADS,
        written_bytes=batch * (STATE + 32 * 128 * 2),
        flops={"bf16": 3 * batch * PRODUCT},
        basis="formula",
    )


def test_prompts_of_the_delta_rule() -> None:
    workload = workload_of(PREFILL, num_seqs=3)
    values = inputs_of(PREFILL, workload)
    bounds = table(values, "cu_seqlens")
    assert work_of(definition_of(PREFILL), workload.axes, values) == Work(
        read_bytes=(len(bounds) - 1) * STATE + bounds[-1] * TOKEN + HEADS + 8 * len(bounds),
        written_bytes=(len(bounds) - 1) * STATE + bounds[-1] * 32 * 128 * 2,
        flops={"bf16": 3 * bounds[-1] * PRODUCT},
        basis="formula",
    )


def test_the_state_of_a_prompt_without_tokens_stays_where_it_is() -> None:
    axes = {"num_seqs": 3, "total_seq_len": 5, "len_cu_seqlens": 4}
    work = work_with(PREFILL, axes, cu_seqlens=[0, 3, 3, 5])
    assert work.read_bytes == 2 * STATE + 5 * TOKEN + HEADS + 4 * 8
    assert work.written_bytes == 2 * STATE + 5 * 32 * 128 * 2
    assert work_with(PREFILL, axes, cu_seqlens=[0, 3, 2, 5]).basis == "shapes"


def test_drafted_tokens_of_the_delta_rule_leave_the_pool_as_it_was() -> None:
    workload = workload_of(VERIFY, batch_size=4)
    values = inputs_of(VERIFY, workload)
    places = table(values, "initial_state_indices")
    tokens = len(places) * workload.axes["seq_len"]
    assert len(set(places)) == len(places) < workload.axes["pool_size"]
    assert work_of(definition_of(VERIFY), workload.axes, values) == Work(
        read_bytes=len(places) * (STATE + 4) + tokens * TOKEN + HEADS,
        written_bytes=tokens * 32 * 128 * 2,
        flops={"bf16": 2 * tokens * PRODUCT},
        basis="formula",
    )


def test_a_state_that_drafts_share_is_read_once_and_padding_not_at_all() -> None:
    axes = {"batch_size": 3, "seq_len": 2, "pool_size": 4}
    work = work_with(VERIFY, axes, initial_state_indices=[2, 2, -1])
    assert work.read_bytes == STATE + 3 * 4 + 4 * TOKEN + HEADS
    assert work_with(VERIFY, axes, initial_state_indices=[0, 1, 4]).basis == "shapes"


def test_a_step_of_a_state_space_model() -> None:
    workload = workload_of(MAMBA, batch_size=6)
    values = inputs_of(MAMBA, workload)
    slots = table(values, "state_batch_indices")
    rows = sum(slot >= 0 for slot in slots)
    state = 64 * 64 * 128
    row = 2 * (64 * 64 + 64 * 64 + 4 * 128 + 4 * 128)
    assert work_of(definition_of(MAMBA), workload.axes, values) == Work(
        read_bytes=rows * (state * 2 + row) + 4 * len(slots) + 2 * 64 * 64 * 2 + 64 * 4,
        written_bytes=rows * state * 2 + len(slots) * 64 * 64 * 2,
        flops={"bf16": 2 * 2 * rows * state},
        basis="formula",
    )


def test_rows_that_pad_the_batch_only_get_their_zeros() -> None:
    axes = {"batch_size": 2, "state_cache_size": 3}
    work = work_with(MAMBA, axes, state_batch_indices=[-1, -1])
    assert (work.read_bytes, work.flops) == (2 * 4, {})
    assert work.written_bytes == 2 * 64 * 64 * 2
    assert work_with(MAMBA, axes, state_batch_indices=[0, 3]).basis == "shapes"
