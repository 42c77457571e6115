-- What a lab under faults has answered, against what its servers know in the
-- end and what their ship logs hold. Read by tests/lab/faults in its
-- directory; lines that begin with LOST or WRONG are failures.
--   history  operations as probes saw them (tests/tool/lab_probe.c)
--   have     what each server knows in the end
--   faults   what was done (tests/tool/lab_faults.c)
--   log      the ship logs of all servers (tests/tool/ship_log_dump.c)
.mode list
.separator " "
CREATE TABLE history(op, key, id INT, value INT, began INT, ended INT);
CREATE TABLE have(server INT, key, id INT, value INT);
CREATE TABLE faults(n INT, kind, key, instance, epoch INT, began INT, done INT);
CREATE TABLE log(server INT, pos INT, kind, stream, epoch INT, lsn INT, sum,
    value INT, base INT);
.import history history
.import have have
.import faults faults
.import log log
CREATE INDEX history_id ON history(key, id, began);
CREATE INDEX history_began ON history(key, op, began);
CREATE INDEX have_id ON have(key, id, server);
CREATE INDEX log_at ON log(stream, lsn);
CREATE INDEX log_pos ON log(server, stream, pos);
CREATE TABLE servers AS SELECT DISTINCT server FROM log;

-- What was acknowledged is there, on every server; a binding may be that of
-- a later REGISTER whose fate was not known.
SELECT 'LOST', w.key, w.id, 'value', w.value, 'on server', s.server, 'has',
    ifnull((SELECT max(h.value) FROM have h WHERE h.key = w.key AND
    h.id = w.id AND h.server = s.server), 'nothing')
FROM (SELECT key, id, max(value) value FROM history
    WHERE op = 'w' AND key IN ('sr', 'st') GROUP BY key, id) w
JOIN servers s
WHERE NOT EXISTS (SELECT 1 FROM have h WHERE h.key = w.key AND h.id = w.id
    AND h.server = s.server AND h.value >= w.value);

-- A server knows nothing that nobody wrote.
SELECT 'WRONG', h.key, h.id, 'value', h.value, 'on server', h.server,
    'was never written'
FROM have h WHERE h.key = 'sr' AND h.value > (SELECT max(value)
    FROM history w WHERE w.key = h.key AND w.id = h.id AND w.op <> 'r');

-- One phone does one thing after another, so a read sees what was
-- acknowledged, or read, before it; nothing goes back, nothing is foreseen.
SELECT 'WRONG', 'sr', id, 'read', value, 'at', began, 'after', floor
FROM (SELECT *, max(value) FILTER (WHERE op <> 'u') OVER (PARTITION BY id
    ORDER BY ended, rowid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    AS floor, max(value) FILTER (WHERE op <> 'r') OVER (PARTITION BY id
    ORDER BY ended, rowid ROWS UNBOUNDED PRECEDING) AS top
    FROM history WHERE key = 'sr')
WHERE op = 'r' AND (value < floor OR value > max(ifnull(top, 0),
    ifnull(floor, 0)) AND value > ifnull(floor, 0) + 1);

-- No server takes a record of an owner once it knows of the next one, save
-- those that the next one names as part of the stream.
CREATE TABLE claimed AS SELECT *, max(CASE WHEN kind = 'C' THEN pos END) OVER
    (PARTITION BY server, stream ORDER BY pos) AS claim FROM log;
SELECT 'WRONG', 'server', r.server, r.stream, 'LSN', r.lsn, 'of epoch',
    r.epoch, 'after the claim of', c.epoch
FROM claimed r JOIN log c ON c.server = r.server AND c.stream = r.stream AND
    c.pos = r.claim
WHERE r.kind = 'P' AND c.epoch > r.epoch AND r.lsn > c.base;

-- In the end all servers have the same chain: the record of an LSN that no
-- later claim or base of the server has made void is the same everywhere.
CREATE TABLE chain AS SELECT * FROM (SELECT *, min(CASE kind WHEN 'B' THEN -1
    WHEN 'C' THEN lsn END) OVER (PARTITION BY server, stream ORDER BY pos DESC)
    AS void, row_number() OVER (PARTITION BY server, stream, kind, lsn
    ORDER BY pos DESC) AS again FROM log)
WHERE kind = 'P' AND again = 1 AND (void IS NULL OR lsn <= void);
SELECT 'WRONG', stream, 'LSN', lsn, 'differs:', group_concat(server || ':' ||
    epoch || ':' || sum) FROM chain GROUP BY stream, lsn
HAVING count(DISTINCT sum) > 1;
SELECT 'WRONG', stream, 'LSN', lsn, 'of epoch', epoch, 'follows', before
FROM (SELECT *, lag(epoch) OVER (PARTITION BY server, stream ORDER BY lsn)
    AS before FROM chain) WHERE epoch < before;

-- How long it took: from the fault until an operation that began after it
-- was acknowledged.
CREATE TABLE took AS SELECT f.*, (SELECT min(h.ended) - f.began FROM history h
    WHERE h.key = f.key AND h.op IN ('w', 'r') AND h.began >= f.done AND
    h.began < f.done + 60000000) / 1000.0 AS ms
FROM faults f WHERE f.key <> '-';
SELECT 'WRONG', 'fault', n, kind, key, 'was never served again' FROM took
WHERE ms IS NULL;
CREATE TABLE spread AS SELECT *, row_number() OVER (PARTITION BY kind, key
    ORDER BY ms) AS i, count(*) OVER (PARTITION BY kind, key) AS c
FROM took WHERE ms IS NOT NULL;
SELECT printf('%-10s %-4s %6s %8s %8s %8s %8s', 'FAULT', 'KEY', 'COUNT', 'P50',
    'P99', 'P99.9', 'MAX ms');
SELECT printf('%-10s %-4s %6d %8.1f %8.1f %8.1f %8.1f', kind, key, c,
    max(CASE WHEN i <= max(1, (c + 1) * 50 / 100) THEN ms END),
    max(CASE WHEN i <= max(1, (c * 99 + 99) / 100) THEN ms END),
    max(CASE WHEN i <= max(1, (c * 999 + 999) / 1000) THEN ms END), max(ms))
FROM spread GROUP BY kind, key;
SELECT printf('outlier: fault %d, %s of %s (%s, epoch %d): %.0f ms, at %d', n,
    kind, key, instance, epoch, ms, began)
FROM took WHERE ms > 1000 ORDER BY ms DESC LIMIT 20;
SELECT count(DISTINCT n) || ' faults in ' ||
    (SELECT (max(ended) - min(began)) / 1000000 FROM history) || ' s: ' ||
    (SELECT count(*) FROM history WHERE op = 'w' AND key = 'st') ||
    ' commits, ' ||
    (SELECT count(*) FROM history WHERE op = 'w' AND key = 'sr') ||
    ' registrations and ' ||
    (SELECT count(*) FROM history WHERE op = 'w' AND key = 'mgc') ||
    ' offers were acknowledged, ' ||
    (SELECT count(*) FROM history WHERE op = 'r') || ' reads checked, ' ||
    (SELECT count(*) FROM chain) || ' records compared'
FROM faults WHERE kind <> 'heal';
