#ifndef SIP_SCAN_PICK_H
#define SIP_SCAN_PICK_H

/* Private to the scanner: what scan.c and scan_pick.c share. */
#include "scan.h"

/* Note the first reason to refuse; returns -ERR_SYNTAX. */
int scan_fail(struct scan *, int status, const char *what);
/* The start line, at .. end; false when it is not one of SIP at all. */
bool scan_pick_start(struct scan *, size_t at, size_t end);
/* Look at the values that a border needs; refuse may be set. */
void scan_pick_values(struct scan *);

#endif
