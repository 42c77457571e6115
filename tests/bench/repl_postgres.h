#ifndef BENCH_REPL_POSTGRES_H
#define BENCH_REPL_POSTGRES_H

/*
 * The load given to a PostgreSQL that runs already: each group has a
 * connection of its own and sends one prepared statement for all its rows.
 * libpq is looked for when it is asked for, so nothing else needs it. Part of
 * a program of one file, hence all static.
 */
#include <dlfcn.h>
#include <stddef.h>

#include "tests/bench/repl_load.h"

/* What is used of libpq: returned, name, arguments (postgresql/libpq-fe.h). */
#define PG_FUNCTIONS(X)                                                   \
	X(void *, PQconnectdb, (const char *))                            \
	X(int, PQstatus, (const void *))                                  \
	X(char *, PQerrorMessage, (const void *))                         \
	X(void *, PQexec, (void *, const char *))                         \
	X(void *, PQprepare,                                              \
	    (void *, const char *, const char *, int, const unsigned *))  \
	X(int, PQresultStatus, (const void *))                            \
	X(void, PQclear, (void *))                                        \
	X(int, PQsendQueryPrepared,                                       \
	    (void *, const char *, int, const char *const *, const int *, \
		const int *, int))                                        \
	X(int, PQsetnonblocking, (void *, int))                           \
	X(int, PQflush, (void *))                                         \
	X(int, PQsocket, (const void *))                                  \
	X(int, PQconsumeInput, (void *))                                  \
	X(int, PQisBusy, (void *))                                        \
	X(void *, PQgetResult, (void *))                                  \
	X(void, PQfinish, (void *))

#define PG_DECLARE(type, name, args) type(*name) args;
#define PG_CONNECTION_OK 0
#define PG_COMMAND_OK 1

/* A connection, and the texts of what it sends. */
struct pg_conn {
	struct load_group *group;
	void *conn;
	struct loop_fd *io;
	char keys[LOAD_BATCH * 32], contacts[LOAD_BATCH * 64];
	char times[LOAD_BATCH * 24];
};

static struct {
	PG_FUNCTIONS(PG_DECLARE)
	struct pg_conn conn[LOAD_GROUPS];
} pg;

static void
pg_load(void)
{
	void *so = dlopen("libpq.so.5", RTLD_NOW);

	if (so == NULL)
		die("%s", dlerror());
#define PG_LOAD(type, name, args)                              \
	if ((*(void **)(&pg.name) = dlsym(so, #name)) == NULL) \
		die("libpq: no %s", #name);
	PG_FUNCTIONS(PG_LOAD)
#undef PG_LOAD
}

static void
pg_check(void *conn, void *result)
{
	if (pg.PQresultStatus(result) != PG_COMMAND_OK)
		die("postgres: %s", pg.PQerrorMessage(conn));
	pg.PQclear(result);
}

/* "{a,b,c}" of one member of all rows; they need no quotes. */
static const char *
pg_array(char *out, const struct load_group *g, size_t member)
{
	char *p = out;
	unsigned i;

	for (i = 0; i < g->n; i++) {
		*p++ = i == 0 ? '{' : ',';
		p = stpcpy(p, (const char *)&g->row[i] + member);
	}
	strcpy(p, "}");
	return out;
}

static const char *
pg_times(char *out, const struct load_group *g)
{
	char *p = out;
	unsigned i;

	for (i = 0; i < g->n; i++)
		p += sprintf(p, "%c%" PRIu64, i == 0 ? '{' : ',', g->begun);
	strcpy(p, "}");
	return out;
}

static void
pg_want(struct pg_conn *c)
{
	int more = pg.PQflush(c->conn);

	if (more < 0)
		die("postgres: %s", pg.PQerrorMessage(c->conn));
	loop_fd_want(c->io, LOOP_READ | (more != 0 ? LOOP_WRITE : 0));
}

static void
pg_go(struct load_group *g)
{
	struct pg_conn *c = g->with;
	const char *values[3] = {g->row[0].key, g->row[0].contact, c->times};

	if (g->n == 1) {
		sprintf(c->times, "%" PRIu64, g->begun);
	} else {
		values[0] = pg_array(
		    c->keys, g, offsetof(struct load_row, key));
		values[1] = pg_array(
		    c->contacts, g, offsetof(struct load_row, contact));
		values[2] = pg_times(c->times, g);
	}
	if (pg.PQsendQueryPrepared(c->conn, "put", 3, values, NULL, NULL, 0) !=
	    1)
		die("postgres: %s", pg.PQerrorMessage(c->conn));
	pg_want(c);
}

static void
pg_on_io(void *arg, int fd, int events)
{
	struct pg_conn *c = arg;
	void *result;
	bool done = false;

	(void)fd;
	if (events & LOOP_WRITE)
		pg_want(c);
	if (pg.PQconsumeInput(c->conn) != 1)
		die("postgres: %s", pg.PQerrorMessage(c->conn));
	while (!pg.PQisBusy(c->conn) &&
	    (result = pg.PQgetResult(c->conn)) != NULL) {
		pg_check(c->conn, result);
		done = true;
	}
	if (done)
		load_done(c->group);
}

static void *
pg_connect(const char *where)
{
	void *conn = pg.PQconnectdb(where);

	if (pg.PQstatus(conn) != PG_CONNECTION_OK)
		die("postgres: %s", pg.PQerrorMessage(conn));
	return conn;
}

/* All rows there from the beginning, in an order of their own. */
static void
pg_table(const char *where)
{
	void *conn = pg_connect(where);
	char sql[600];

	pg_check(conn, pg.PQexec(conn, "SET client_min_messages = warning"));
	pg_check(conn, pg.PQexec(conn, "DROP TABLE IF EXISTS binding"));
	pg_check(conn,
	    pg.PQexec(conn,
		"CREATE TABLE binding(aor text PRIMARY KEY, contact text, "
		"expires bigint)"));
	snprintf(sql, sizeof sql,
	    "INSERT INTO binding SELECT 'user' || lpad(i::text, 6, '0') || "
	    "'@demo.test', '<sip:user' || lpad(i::text, 6, '0') || "
	    "'@192.0.2.000:5060>', 0 FROM generate_series(0, %u) i "
	    "ORDER BY random()",
	    LOAD_KEYS - 1);
	pg_check(conn, pg.PQexec(conn, sql));
	pg_check(conn, pg.PQexec(conn, "VACUUM ANALYZE binding"));
	pg.PQfinish(conn);
}

/* Arrays are cheaper for the server than a list of VALUES. */
static const char *
pg_statement(void)
{
	if (load.batch == 1)
		return "INSERT INTO binding VALUES($1, $2, $3::bigint) ON "
		       "CONFLICT(aor) DO UPDATE SET contact = "
		       "excluded.contact, expires = excluded.expires";
	return "INSERT INTO binding SELECT * FROM unnest($1::text[], "
	       "$2::text[], $3::bigint[]) ON CONFLICT(aor) DO UPDATE SET "
	       "contact = excluded.contact, expires = excluded.expires";
}

static void
pg_open(struct load_group *g, struct pg_conn *c, const char *where)
{
	c->group = g;
	g->with = c;
	c->conn = pg_connect(where);
	pg_check(
	    c->conn, pg.PQprepare(c->conn, "put", pg_statement(), 0, NULL));
	pg.PQsetnonblocking(c->conn, 1);
	c->io = loop_fd_open(
	    load.loop, pg.PQsocket(c->conn), LOOP_READ, pg_on_io, c);
}

/* The processes of a server: its first one and that one's children. */
static void
pg_processes(struct load_set *set)
{
	char path[64];
	unsigned i, n = set->n;
	int pid;
	FILE *f;

	for (i = 0; i < n; i++) {
		snprintf(path, sizeof path, "/proc/%d/task/%d/children",
		    (int)set->pid[i], (int)set->pid[i]);
		if ((f = fopen(path, "r")) == NULL)
			die("%s: %s", path, strerror(errno));
		while (set->n < PIDS_MAX && fscanf(f, "%d", &pid) == 1)
			set->pid[set->n++] = pid;
		fclose(f);
	}
}

static void
pg_run(const char *where)
{
	unsigned i;

	pg_load();
	pg_table(where);
	load.go = pg_go;
	for (i = 0; i < load.groups; i++)
		pg_open(&load.group[i], &pg.conn[i], where);
	pg_processes(&load_pids);
	pg_processes(&load_others);
	load_run(load.seconds / 5); /* plans are made, caches are warm */
	load_run(load.seconds);
	report("postgres");
	for (i = 0; i < load.groups; i++) {
		loop_fd_close(&pg.conn[i].io);
		pg.PQfinish(pg.conn[i].conn);
	}
}

#endif
