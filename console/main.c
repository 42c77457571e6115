/* The program: all of it is in console.c, where tests reach it too. */
#include "console.h"

int
main(int argc, char **argv)
{
	return console_main(argc, argv);
}
