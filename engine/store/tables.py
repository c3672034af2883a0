"""The index's tables. Change anything here and raise ``VERSION``: every index is then rebuilt."""

from __future__ import annotations

from engine.schema.flags import ALARMS

VERSION = 6
APPLICATION = 0x46495455

TABLES = """
-- Counters and identity: layers, generation.
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- What was read of each file. done, crc, lines: the whole lines up to byte `done`.
-- unsettled: so young when read that its stamp proves nothing, or it ends in half a line.
CREATE TABLE file(
  id INTEGER PRIMARY KEY, layer INT NOT NULL, path BLOB NOT NULL, kind TEXT NOT NULL,
  size INT, mtime INT, ctime INT, inode INT,
  done INT NOT NULL DEFAULT 0, crc INT NOT NULL DEFAULT 0, lines INT NOT NULL DEFAULT 0,
  unsettled INT NOT NULL DEFAULT 1,
  UNIQUE(layer, path));

CREATE TABLE problem(file INT NOT NULL, line INT, field TEXT NOT NULL, message TEXT NOT NULL);
CREATE INDEX problem_file ON problem(file);

-- standing: 2 the one that counts, 1 another version of it, 0 hidden by an equal one.
CREATE TABLE definition(
  id INTEGER PRIMARY KEY, file INT NOT NULL, name TEXT NOT NULL, op_type TEXT NOT NULL,
  description TEXT NOT NULL, tags TEXT NOT NULL, n_inputs INT NOT NULL, n_outputs INT NOT NULL,
  var_axes TEXT NOT NULL, standing INT NOT NULL DEFAULT 0);
CREATE INDEX definition_name ON definition(name, standing);
CREATE INDEX definition_file ON definition(file);

CREATE TABLE solution(
  id INTEGER PRIMARY KEY, file INT NOT NULL, name TEXT NOT NULL, author TEXT NOT NULL,
  language TEXT NOT NULL, definition TEXT NOT NULL, version TEXT NOT NULL,
  description TEXT NOT NULL, standing INT NOT NULL DEFAULT 0);
CREATE INDEX solution_name ON solution(name, standing);
CREATE INDEX solution_definition ON solution(definition, standing);
CREATE INDEX solution_file ON solution(file);

CREATE TABLE workload(
  id INTEGER PRIMARY KEY, file INT NOT NULL, line INT NOT NULL, offset INT NOT NULL,
  length INT NOT NULL, definition TEXT NOT NULL, uuid TEXT NOT NULL, axes TEXT NOT NULL,
  inputs TEXT NOT NULL, standing INT NOT NULL DEFAULT 0);
CREATE INDEX workload_uuid ON workload(uuid, definition, standing);
CREATE INDEX workload_definition ON workload(definition, standing);
CREATE INDEX workload_file ON workload(file);

-- Which lines need which blob files, and what is wrong with those ('' where nothing is).
CREATE TABLE blob_use(file INT NOT NULL, line INT NOT NULL, field TEXT NOT NULL,
  path TEXT NOT NULL);
CREATE INDEX blob_use_file ON blob_use(file, line);
CREATE INDEX blob_use_path ON blob_use(path);
CREATE TABLE blob(path TEXT PRIMARY KEY, seen TEXT NOT NULL, problem TEXT NOT NULL) WITHOUT ROWID;

-- Every text that many traces share; flags as a JSON list.
CREATE TABLE name(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL,
  UNIQUE(kind, text));

-- flags: 0 for none. roofline: percent of the limit.
CREATE TABLE trace(
  id INTEGER PRIMARY KEY AUTOINCREMENT, file INT NOT NULL, line INT NOT NULL,
  offset INT NOT NULL, length INT NOT NULL,
  definition INT NOT NULL, solution INT NOT NULL, workload INT NOT NULL, axes INT NOT NULL,
  status INT NOT NULL, hardware INT NOT NULL, run INT NOT NULL, version INT NOT NULL,
  timer INT NOT NULL, note INT NOT NULL, git INT NOT NULL, flags INT NOT NULL,
  evaluation TEXT NOT NULL, timestamp TEXT NOT NULL, time REAL,
  latency_ms REAL, reference_latency_ms REAL, speedup REAL, roofline REAL,
  max_absolute_error REAL, max_relative_error REAL,
  identity INT NOT NULL, duplicate INT NOT NULL DEFAULT 0, latest INT NOT NULL DEFAULT 0);

-- Sums over the traces of one version of one solution on one workload, each counted once; trace,
-- timer, passed, ln, roofline, alarm and time are those of the newest. ln: of its speedup, in units
-- of 2^-32, so that sums of it are exact in any order; roofline: the same of the share of the
-- limit.
CREATE TABLE cell(
  definition INT NOT NULL, solution INT NOT NULL, workload INT NOT NULL, version INT NOT NULL,
  n_traces INT NOT NULL, trace INT NOT NULL, timer INT NOT NULL, passed INT NOT NULL, ln INT,
  roofline INT, alarm INT NOT NULL, time REAL,
  PRIMARY KEY(definition, solution, workload, version)) WITHOUT ROWID;

-- Sums over the cells of one version of one solution; current: the version that counts.
CREATE TABLE score(
  definition INT NOT NULL, solution INT NOT NULL, version INT NOT NULL, current INT NOT NULL,
  n_traces INT NOT NULL, n_passed INT NOT NULL, n_failed INT NOT NULL, n_alarms INT NOT NULL,
  last_run REAL, PRIMARY KEY(definition, solution, version)) WITHOUT ROWID;
CREATE INDEX score_solution ON score(solution, version);

-- Means over those of these cells that passed by one timer: others cannot be compared with them.
CREATE TABLE mean(
  definition INT NOT NULL, solution INT NOT NULL, version INT NOT NULL, timer INT NOT NULL,
  n_passed INT NOT NULL, geomean REAL, roofline REAL,
  PRIMARY KEY(definition, solution, version, timer)) WITHOUT ROWID;

-- By which timer the solutions of a definition are ranked.
CREATE TABLE ranking(definition INTEGER PRIMARY KEY, timer INT NOT NULL);

-- How many traces of a solution ended how.
CREATE TABLE tally(
  definition INT NOT NULL, solution INT NOT NULL, status INT NOT NULL, n INT NOT NULL,
  PRIMARY KEY(definition, solution, status)) WITHOUT ROWID;

-- Cells whose traces changed: duplicate and latest marks and sums are to be worked out again.
CREATE TABLE stale(definition INT NOT NULL, solution INT NOT NULL, workload INT NOT NULL,
  PRIMARY KEY(definition, solution, workload)) WITHOUT ROWID;
"""

_ALARMS = ", ".join(f"'{word}'" for word in sorted(ALARMS))
ALARMING = (
    "SELECT id FROM name WHERE kind = 'flags' AND EXISTS "
    f"(SELECT 1 FROM json_each(text) WHERE value IN ({_ALARMS}))"
)
"""Numbers of those flags that an alarm is among; cells are summed up by it."""

TRACE_INDEXES = (
    # Settling, history, duplicates and counts by status, without touching the table.
    "CREATE INDEX trace_group ON trace"
    "(solution, definition, workload, time, identity, status, duplicate)",
    "CREATE INDEX trace_file ON trace(file, line)",
    # Pages in order, without sorting; solution: medians without touching the table.
    "CREATE INDEX trace_latency ON trace(definition, latency_ms, id, status, solution) "
    "WHERE duplicate = 0",
    "CREATE INDEX trace_age ON trace(definition, time, id, status) WHERE duplicate = 0",
    "CREATE INDEX trace_all_latency ON trace(latency_ms) WHERE duplicate = 0",
    "CREATE INDEX trace_all_speedup ON trace(speedup) WHERE duplicate = 0",
    "CREATE INDEX trace_all_roofline ON trace(roofline) WHERE duplicate = 0",
    "CREATE INDEX trace_all_age ON trace(time) WHERE duplicate = 0",
    "CREATE INDEX trace_flags ON trace(flags) WHERE flags != 0",
    "CREATE INDEX trace_run ON trace(run, time)",
    "CREATE INDEX trace_latest ON trace"
    "(definition, solution, workload, status, latency_ms, speedup) WHERE latest = 1",
    "CREATE INDEX trace_evaluation ON trace(evaluation) WHERE evaluation != ''",
)
"""Apart from the table, since a large load makes them afterwards."""
