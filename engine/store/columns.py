"""The five lists: definitions, solutions, workloads, traces, problems, field by field."""

from __future__ import annotations

from engine.schema import Problem
from engine.store.cells import CELLS
from engine.store.fields import Field, Form, Table
from engine.store.rows import DefinitionRow, SolutionRow, TraceRow, WorkloadRow
from engine.store.tables import ALARMING

_PLACE = {"file": Field("CAST(f.path AS TEXT)"), "layer": Field("f.layer", Form.NUMBER)}
_COMMON = {
    "def": "definition",
    "sol": "solution",
    "wl": "workload",
    "lang": "language",
    "op": "op_type",
    "tag": "tags",
    "desc": "description",
    "passed": "n_passed",
    "failed": "n_failed",
    "workloads": "n_workloads",
    "solutions": "n_solutions",
    "traces": "n_traces",
    "alarms": "n_alarms",
    "last": "last_run",
}


def _number(sql: str) -> Field:
    return Field(sql, Form.NUMBER)


_DEFINITIONS = Table(
    kind="definitions",
    row=DefinitionRow,
    source="""definition d JOIN file f ON f.id = d.file
      LEFT JOIN (SELECT n.text AS name, sum(s.n_traces) AS traces,
          sum(s.n_passed * s.current) AS passed, sum(s.n_failed * s.current) AS failed,
          sum(s.n_alarms * s.current) AS alarms, max(s.last_run) AS last_run
        FROM score s JOIN name n ON n.id = s.definition GROUP BY s.definition) r
        ON r.name = d.name
      LEFT JOIN (SELECT n.text AS name, b.text AS solution, i.text AS timer, m.geomean,
          m.roofline, row_number() OVER (PARTITION BY m.definition
            ORDER BY s.n_failed > 0, m.n_passed DESC, m.geomean DESC, b.text) AS place
        FROM ranking q JOIN mean m USING (definition, timer)
        JOIN score s USING (definition, solution, version) JOIN name n ON n.id = m.definition
        JOIN name b ON b.id = m.solution JOIN name i ON i.id = m.timer
        WHERE s.current AND m.geomean IS NOT NULL) g
        ON g.name = d.name AND g.place = 1
      LEFT JOIN (SELECT definition, count(*) AS n FROM workload WHERE standing = 2
        GROUP BY definition) w ON w.definition = d.name
      LEFT JOIN (SELECT definition, count(*) AS n FROM solution WHERE standing = 2
        GROUP BY definition) s ON s.definition = d.name""",
    always="d.standing = 2",
    fields={
        "name": Field("d.name"),
        "op_type": Field("d.op_type"),
        "description": Field("d.description"),
        "tags": Field("d.tags", Form.TAGS),
        "n_inputs": _number("d.n_inputs"),
        "n_outputs": _number("d.n_outputs"),
        "var_axes": Field("d.var_axes", Form.TAGS),
        "n_workloads": _number("ifnull(w.n, 0)"),
        "n_solutions": _number("ifnull(s.n, 0)"),
        "n_traces": _number("ifnull(r.traces, 0)"),
        "n_passed": _number("ifnull(r.passed, 0)"),
        "n_failed": _number("ifnull(r.failed, 0)"),
        "best_solution": Field("ifnull(g.solution, '')"),
        "best_speedup": _number("g.geomean"),
        "best_roofline": _number("g.roofline"),
        "best_timer": Field("ifnull(g.timer, '')"),
        "n_alarms": _number("ifnull(r.alarms, 0)"),
        "last_run": Field("r.last_run", Form.AGE),
        **_PLACE,
    },
    aliases={
        **_COMMON,
        "def": "name",
        "definition": "name",
        "sol": "best_solution",
        "solution": "best_solution",
        "best": "best_solution",
        "timer": "best_timer",
        "speedup": "best_speedup",
        "roofline": "best_roofline",
        "age": "last_run",
        "time": "last_run",
    },
    search=("name", "op_type", "description"),
    order="name",
    key="d.id",
    alarm="ifnull(r.alarms, 0) > 0",
)

_SOLUTIONS = Table(
    kind="solutions",
    row=SolutionRow,
    source="""solution s JOIN file f ON f.id = s.file
      LEFT JOIN definition d ON d.name = s.definition AND d.standing = 2
      LEFT JOIN score r ON
        r.solution = (SELECT id FROM name WHERE kind = 'solution' AND text = s.name) AND
        r.version = (SELECT id FROM name WHERE kind = 'version' AND text = s.version) AND
        r.definition = (SELECT id FROM name WHERE kind = 'definition' AND text = s.definition)
      LEFT JOIN ranking q ON q.definition = r.definition
      LEFT JOIN mean m ON m.definition = r.definition AND m.solution = r.solution
        AND m.version = r.version AND m.timer = q.timer
      LEFT JOIN (SELECT definition, count(*) AS n FROM workload WHERE standing = 2
        GROUP BY definition) w ON w.definition = s.definition""",
    always="s.standing > 0",
    fields={
        "name": Field("s.name"),
        "author": Field("s.author"),
        "language": Field("s.language"),
        "definition": Field("s.definition"),
        "version": Field("s.version"),
        "current": _number("s.standing = 2"),
        "description": Field("s.description"),
        "n_workloads": _number("ifnull(w.n, 0)"),
        "n_passed": _number("ifnull(r.n_passed, 0)"),
        "n_failed": _number("ifnull(r.n_failed, 0)"),
        "geomean_speedup": _number("m.geomean"),
        "roofline": _number("m.roofline"),
        "n_alarms": _number("ifnull(r.n_alarms, 0)"),
        "last_run": Field("r.last_run", Form.AGE),
        "op_type": Field("ifnull(d.op_type, '')"),
        "tags": Field("ifnull(d.tags, '[]')", Form.TAGS),
        **_PLACE,
    },
    aliases={
        **_COMMON,
        "sol": "name",
        "solution": "name",
        "speedup": "geomean_speedup",
        "geomean": "geomean_speedup",
        "age": "last_run",
        "time": "last_run",
    },
    search=("name", "definition", "author", "language"),
    order="definition,name",
    key="s.id",
    latest="s.standing = 2",
    alarm="ifnull(r.n_alarms, 0) > 0",
)

_WORKLOADS = Table(
    kind="workloads",
    row=WorkloadRow,
    source="""workload w JOIN file f ON f.id = w.file
      LEFT JOIN definition d ON d.name = w.definition AND d.standing = 2
      LEFT JOIN (SELECT u.file, u.line, min(b.problem) AS problem
        FROM blob b JOIN blob_use u ON u.path = b.path WHERE b.problem != ''
        GROUP BY u.file, u.line) p ON p.file = w.file AND p.line = w.line""",
    always="w.standing = 2",
    fields={
        "uuid": Field("w.uuid"),
        "definition": Field("w.definition"),
        "axes": Field("w.axes"),
        "axis": Field("w.axes", Form.AXES),
        "inputs": Field("w.inputs"),
        "problem": Field("ifnull(p.problem, '')"),
        "line": _number("w.line"),
        "op_type": Field("ifnull(d.op_type, '')"),
        "tags": Field("ifnull(d.tags, '[]')", Form.TAGS),
        **_PLACE,
    },
    aliases={**_COMMON, "wl": "uuid", "workload": "uuid", "name": "uuid"},
    search=("uuid", "definition", "axes", "op_type"),
    order="definition,layer,file,line",
    key="w.id",
    members="w.uuid",
)


def _shared(kind: str, alias: str) -> Field:
    """A text that traces share: shown through a join, filtered among the different texts."""
    condition = f"t.{kind} IN (SELECT id FROM name WHERE kind = '{kind}' AND {{}})"
    exact = f"t.{kind} = ifnull((SELECT id FROM name WHERE kind = '{kind}' AND {{}}), 0)"
    return Field(f"{alias}.text", Form.TEXT, "text", condition, exact)


_OF_DEFINITION = (
    "t.definition IN (SELECT n.id FROM name n JOIN definition d ON d.name = n.text "
    "WHERE n.kind = 'definition' AND d.standing = 2 AND {})"
)
_OF_SOLUTION = (
    "t.solution IN (SELECT n.id FROM name n JOIN solution s ON s.name = n.text "
    "WHERE n.kind = 'solution' AND s.standing = 2 AND {})"
)

_TRACES = Table(
    kind="traces",
    row=TraceRow,
    source="trace t",
    joins={
        "f": "LEFT JOIN file f ON f.id = t.file",
        "nd": "LEFT JOIN name nd ON nd.id = t.definition",
        "ns": "LEFT JOIN name ns ON ns.id = t.solution",
        "nw": "LEFT JOIN name nw ON nw.id = t.workload",
        "na": "LEFT JOIN name na ON na.id = t.axes",
        "nst": "LEFT JOIN name nst ON nst.id = t.status",
        "nh": "LEFT JOIN name nh ON nh.id = t.hardware",
        "nr": "LEFT JOIN name nr ON nr.id = t.run",
        "nv": "LEFT JOIN name nv ON nv.id = t.version",
        "nt": "LEFT JOIN name nt ON nt.id = t.timer",
        "nn": "LEFT JOIN name nn ON nn.id = t.note",
        "ng": "LEFT JOIN name ng ON ng.id = t.git",
        "nf": "LEFT JOIN name nf ON nf.id = t.flags",
        "s": "LEFT JOIN solution s ON s.standing = 2 "
        "AND s.name = (SELECT text FROM name WHERE id = t.solution)",
        "d": "LEFT JOIN definition d ON d.standing = 2 "
        "AND d.name = (SELECT text FROM name WHERE id = t.definition)",
    },
    always="t.duplicate = 0",
    fields={
        "id": _number("t.id"),
        "definition": _shared("definition", "nd"),
        "solution": _shared("solution", "ns"),
        "workload": _shared("workload", "nw"),
        "axes": _shared("axes", "na"),
        "axis": Field(
            "na.text",
            Form.AXES,
            "text",
            "t.axes IN (SELECT id FROM name WHERE kind = 'axes' AND {})",
        ),
        "status": _shared("status", "nst"),
        "timestamp": Field("t.timestamp"),
        "time": Field("t.time", Form.AGE),
        "hardware": _shared("hardware", "nh"),
        "latency_ms": Field("t.latency_ms", Form.LATENCY),
        "reference_latency_ms": Field("t.reference_latency_ms", Form.LATENCY),
        "speedup": _number("t.speedup"),
        "roofline": _number("t.roofline"),
        "flags": Field(
            "ifnull(nf.text, '[]')",
            Form.TAGS,
            "text",
            "(t.flags != 0 AND t.flags IN (SELECT id FROM name WHERE kind = 'flags' AND {}))",
        ),
        "max_absolute_error": _number("t.max_absolute_error"),
        "max_relative_error": _number("t.max_relative_error"),
        "run": _shared("run", "nr"),
        "evaluation": Field("t.evaluation"),
        "version": _shared("version", "nv"),
        "timer": _shared("timer", "nt"),
        "note": _shared("note", "nn"),
        "commit": _shared("git", "ng"),
        "author": Field("ifnull(s.author, '')", Form.TEXT, "s.author", _OF_SOLUTION),
        "language": Field("ifnull(s.language, '')", Form.TEXT, "s.language", _OF_SOLUTION),
        "op_type": Field("ifnull(d.op_type, '')", Form.TEXT, "d.op_type", _OF_DEFINITION),
        "tags": Field("d.tags", Form.TAGS, "d.tags", _OF_DEFINITION),
        "file": Field(
            "CAST(f.path AS TEXT)",
            Form.TEXT,
            "CAST(path AS TEXT)",
            "t.file IN (SELECT id FROM file WHERE {})",
        ),
        "line": _number("t.line"),
        "layer": Field("f.layer", Form.NUMBER, "layer", "t.file IN (SELECT id FROM file WHERE {})"),
    },
    aliases={
        **_COMMON,
        "name": "solution",
        "lat": "latency_ms",
        "latency": "latency_ms",
        "ref": "reference_latency_ms",
        "reference": "reference_latency_ms",
        "abs": "max_absolute_error",
        "rel": "max_relative_error",
        "hw": "hardware",
        "flag": "flags",
        "age": "time",
    },
    search=("definition", "solution", "workload", "status", "author"),
    order="-time",
    key="t.id",
    latest="t.latest = 1",
    stale="""(t.version NOT IN (SELECT id FROM name WHERE kind = 'version' AND text = '')
      AND NOT EXISTS (SELECT 1 FROM score c WHERE c.definition = t.definition
        AND c.solution = t.solution AND c.version = t.version AND c.current))""",
    alarm=f"(t.flags != 0 AND t.flags IN ({ALARMING}))",
    new="t.time > ?",
    members="(SELECT text FROM name WHERE id = t.workload)",
)

_PROBLEMS = Table(
    kind="problems",
    row=Problem,
    source="""(
      SELECT f.layer, f.path, p.line, p.field, p.message
        FROM problem p JOIN file f ON f.id = p.file
      UNION ALL SELECT f.layer, f.path, NULL, 'name', 'definition ' || r.name || ' is also in '
          || CAST(min(g.path) AS TEXT) || ', which is the one that is used'
        FROM definition r JOIN file f ON f.id = r.file JOIN definition o ON o.name = r.name
        JOIN file g ON g.id = o.file AND g.layer = f.layer AND g.path < f.path GROUP BY r.id
      UNION ALL SELECT layer, path, NULL, 'name', message FROM (
        SELECT f.layer, f.path, r.version, o.version AS other, 'solution ' || r.name
          || ' has other content in ' || CAST(min(g.path) AS TEXT)
          || ', which is the one that is used' AS message
        FROM solution r JOIN file f ON f.id = r.file JOIN solution o ON o.name = r.name
        JOIN file g ON g.id = o.file AND g.layer = f.layer AND g.path < f.path GROUP BY r.id)
        WHERE version != other
      UNION ALL SELECT f.layer, f.path, r.line, 'workload.uuid', 'workload ' || r.uuid
          || ' is already in ' || CAST(min(g.path) AS TEXT) || '; the first one is used'
        FROM workload r JOIN file f ON f.id = r.file
        JOIN workload o ON o.uuid = r.uuid AND o.definition = r.definition
        JOIN file g ON g.id = o.file AND g.layer = f.layer
          AND (g.path < f.path OR (g.id = f.id AND o.line < r.line)) GROUP BY r.id
      UNION ALL SELECT f.layer, f.path, u.line, u.field, b.problem
        FROM blob b JOIN blob_use u ON u.path = b.path JOIN file f ON f.id = u.file
        WHERE b.problem != '') f""",
    fields={
        "message": Field("f.message"),
        "line": _number("f.line"),
        "field": Field("f.field"),
        **_PLACE,
    },
    search=("message", "file", "field"),
    order="layer,file,line,field,message",
    key="f.layer, f.path, f.line, f.field, f.message",
)

TABLES: dict[str, Table] = {
    table.kind: table for table in (_DEFINITIONS, _SOLUTIONS, _WORKLOADS, _TRACES, CELLS, _PROBLEMS)
}
"""Every kind of row, by the name that a view's text has for it."""
