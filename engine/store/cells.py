"""The list of cells: every solution on every workload of its definition, run or not."""

from __future__ import annotations

from engine.store.fields import Field, Form, Table
from engine.store.rows import CellRow
from engine.store.tables import ALARMING

NEVER = "none"
"""Status of a cell that was never run."""


def _id(kind: str, text: str) -> str:
    return f"(SELECT id FROM name WHERE kind = '{kind}' AND text = {text})"


CELLS = Table(
    kind="cells",
    row=CellRow,
    source=f"""solution s JOIN file f ON f.id = s.file
      JOIN workload w ON w.definition = s.definition AND w.standing = 2
      LEFT JOIN definition d ON d.name = s.definition AND d.standing = 2
      LEFT JOIN trace t ON t.latest = 1
        AND t.solution = {_id("solution", "s.name")}
        AND t.definition = {_id("definition", "s.definition")}
        AND t.workload = {_id("workload", "w.uuid")}
      LEFT JOIN name st ON st.id = t.status
      LEFT JOIN name fl ON fl.id = t.flags""",
    always="s.standing = 2",
    fields={
        "definition": Field("s.definition"),
        "solution": Field("s.name"),
        "version": Field("s.version"),
        "workload": Field("w.uuid"),
        "axes": Field("w.axes"),
        "axis": Field("w.axes", Form.AXES),
        "status": Field(f"ifnull(st.text, '{NEVER}')"),
        "trace": Field("t.id", Form.NUMBER),
        "time": Field("t.time", Form.AGE),
        "latency_ms": Field("t.latency_ms", Form.LATENCY),
        "speedup": Field("t.speedup", Form.NUMBER),
        "roofline": Field("t.roofline", Form.NUMBER),
        "flags": Field("ifnull(fl.text, '[]')", Form.TAGS),
        "author": Field("s.author"),
        "language": Field("s.language"),
        "op_type": Field("ifnull(d.op_type, '')"),
        "tags": Field("ifnull(d.tags, '[]')", Form.TAGS),
        "file": Field("CAST(f.path AS TEXT)"),
        "layer": Field("f.layer", Form.NUMBER),
    },
    aliases={
        "def": "definition",
        "sol": "solution",
        "name": "solution",
        "wl": "workload",
        "lang": "language",
        "op": "op_type",
        "tag": "tags",
        "lat": "latency_ms",
        "latency": "latency_ms",
        "flag": "flags",
        "age": "time",
    },
    search=("definition", "solution", "workload", "author"),
    order="definition,solution,workload",
    key="s.id, w.id",
    members="w.uuid",
    alarm=f"t.flags IN ({ALARMING})",
)
