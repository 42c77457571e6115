#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

/* A thread beside the loop, to which no signal of the process is delivered.
 * 0, or an errno. */
int thread_start(pthread_t *, void *(*fn)(void *), void *arg);

#endif
