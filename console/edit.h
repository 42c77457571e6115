#ifndef CONSOLE_EDIT_H
#define CONSOLE_EDIT_H

#include <histedit.h>

#include "console.h"

/* The prompt in the making: what edit.c and edit_keys.c share. */
struct edit {
	struct session *s;
	EditLine *el;
	HistoryW *hist;
	struct loop_fd *in;
	struct loop_signal *winch, *cont, *term, *hup;
	bool gone; /* the terminal, or our time, is over */
	bool readable;
	wchar_t prompt[160];
	char *block; /* lines pasted, waiting to run */
	bool warned; /* leaving with changes was asked once */
	bool typing; /* a line is being edited */
};

/* libedit's callbacks carry no argument that all of them get. */
struct edit *edit_of(EditLine *);

/* edit_keys.c: what Tab, ? and a paste do; functions of libedit. */
unsigned char edit_complete(EditLine *, int ch);
unsigned char edit_help(EditLine *, int ch);
unsigned char edit_paste(EditLine *, int ch);
/* edit.c: Ctrl-O */
unsigned char edit_screen(EditLine *, int ch);

#endif
