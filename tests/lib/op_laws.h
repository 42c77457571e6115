#ifndef TESTS_OP_LAWS_H
#define TESTS_OP_LAWS_H

#include "daemon/op/op.h"

/*
 * The laws of operation and object tables: what every record must keep so
 * that grammar, help, man pages and schema can be computed from it. Each
 * violation is one line in broken ("show calls: arg limit: brief is empty").
 * Returns their number.
 */
int op_laws_check(const struct op_table *, struct buf *broken);

/* A small table with an operation of every shape, for tests without a
 * daemon; its objects are the compiled ones. */
extern const struct op_table op_sample;

#endif
