/* The list macros as cppcheck shall see them: it reads no system headers. */
#define TAILQ_HEAD(name, type)      \
	struct name {               \
		struct type *first; \
		struct type **last; \
	}
#define TAILQ_ENTRY(type)           \
	struct {                    \
		struct type *next;  \
		struct type **prev; \
	}
#define TAILQ_FIRST(h) ((h)->first)
#define TAILQ_NEXT(e, f) ((e)->f.next)
#define TAILQ_EMPTY(h) ((h)->first == 0)
#define TAILQ_FOREACH(v, h, f) for (v = (h)->first; v; v = (v)->f.next)
#define json_array_foreach(a, i, v) \
	for (i = 0; i < json_array_size(a) && (v = json_array_get(a, i)); i++)
#define json_object_foreach(o, k, v)                        \
	for (k = json_object_iter_key(json_object_iter(o)); \
	     k && (v = json_object_get(o, k)); k = 0)
