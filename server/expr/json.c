/* server/expr/json.c: the check and the reader, which are one walk.
 *
 *   VALUE --> AFTER --> VALUE (in a list) | KEY (in an object) --> VALUE ... --> DONE
 *
 *   VALUE  a value must come; a list or object that opens is pushed
 *   KEY    a key and its colon must come
 *   AFTER  a value has ended: a comma, the end of what is open, or the end of the text
 *
 * json_check() and json_read() are this walk compiled twice, so they accept the same texts. The
 * reader gathers the children of what is open on a scratch stack, and moves them into the arena
 * as one array when it closes. The stack is never larger than what the arena has left, since its
 * content could not be moved there. */
#include "server/expr/json.h"
#include "server/expr/json_scan.h"
#include <errno.h>
#include <stdlib.h>

enum step { STEP_VALUE, STEP_KEY, STEP_AFTER, STEP_DONE, STEP_BAD };

enum { SCRATCH_FIRST = 256 };

struct json_frame {
	size_t first; /* of its children on the scratch stack */
	bool object;
};

struct json_walk {
	struct json_scan scan;
	struct json_frame frames[JSON_DEPTH_MAX];
	unsigned depth;

	/* only when reading */
	struct arena *arena;
	struct value *values; /* the scratch stack */
	size_t n_values, values_cap, values_max;
	struct value *heap; /* NULL while `local` is enough */
	bool no_memory;
	struct value local[SCRATCH_FIRST];
};

static enum step json_bad(struct json_walk *walk, const char *what)
{
	walk->scan.what = walk->scan.at < walk->scan.end ? what : "the text ends too early";
	return STEP_BAD;
}

static enum step json_no_memory(struct json_walk *walk)
{
	walk->no_memory = true;
	return STEP_BAD;
}

static bool json_grow(struct json_walk *walk)
{
	size_t cap = MIN(walk->values_cap * 2, walk->values_max);
	struct value *heap;

	if (cap <= walk->values_cap)
		return false;
	heap = realloc(walk->heap, cap * sizeof(*heap));
	if (!heap)
		return false;
	if (!walk->heap)
		memcpy(heap, walk->local, sizeof(walk->local));
	walk->values = walk->heap = heap;
	walk->values_cap = cap;
	return true;
}

static inline enum step json_push(struct json_walk *walk, struct value value, enum step next)
{
	if (unlikely(walk->n_values == walk->values_cap) && !json_grow(walk))
		return json_no_memory(walk);
	walk->values[walk->n_values++] = value;
	return next;
}

static inline enum step json_open(struct json_walk *walk, bool object)
{
	if (walk->depth == JSON_DEPTH_MAX)
		return json_bad(walk, "lists and objects nest deeper than 200 levels");
	walk->frames[walk->depth++] = (struct json_frame){ walk->n_values, object };
	walk->scan.at = json_scan_space(walk->scan.at + 1, walk->scan.end);
	if (walk->scan.at < walk->scan.end && *walk->scan.at == (object ? '}' : ']'))
		return STEP_AFTER;
	return object ? STEP_KEY : STEP_VALUE;
}

static inline enum step json_close(struct json_walk *walk, const bool build)
{
	const struct json_frame frame = walk->frames[--walk->depth];
	size_t n_values = walk->n_values - frame.first;
	struct value *items = NULL;

	walk->scan.at++;
	if (!build)
		return STEP_AFTER;
	if (n_values) {
		items = arena_alloc(walk->arena, n_values * sizeof(*items));
		if (!items)
			return json_no_memory(walk);
		memcpy(items, walk->values + frame.first, n_values * sizeof(*items));
	}
	walk->n_values = frame.first;
	if (frame.object)
		return json_push(walk, value_object((struct member *)items, n_values / 2),
				 STEP_AFTER);
	return json_push(walk, value_list(items, n_values), STEP_AFTER);
}

static inline enum step json_text(struct json_walk *walk, const bool build, enum step next)
{
	struct json_string string;
	struct str text;
	char *copy;

	if (!json_scan_string(&walk->scan, walk->scan.at + 1, &string))
		return STEP_BAD;
	if (!build)
		return next;
	text = str_range(string.from, string.to);
	if (unlikely(text.len != string.len)) {
		copy = arena_alloc(walk->arena, string.len);
		if (!copy)
			return json_no_memory(walk);
		json_decode(&string, copy);
		text = (struct str){ copy, string.len };
	}
	return json_push(walk, value_text(text), next);
}

static inline enum step json_number(struct json_walk *walk, const bool build)
{
	const char *from = walk->scan.at, *end = json_scan_number(&walk->scan, from);
	struct value value;

	if (!end)
		return STEP_BAD;
	walk->scan.at = end;
	if (!build)
		return STEP_AFTER;
	value = value_text(str_range(from, end));
	value.kind = VALUE_NUMBER;
	return json_push(walk, value, STEP_AFTER);
}

static inline enum step json_word(struct json_walk *walk, const bool build, struct str word,
				  struct value value)
{
	if ((size_t)(walk->scan.end - walk->scan.at) < word.len ||
	    memcmp(walk->scan.at, word.ptr, word.len) != 0)
		return json_bad(walk, "a value was expected");
	walk->scan.at += word.len;
	return build ? json_push(walk, value, STEP_AFTER) : STEP_AFTER;
}

static inline enum step json_value(struct json_walk *walk, const bool build)
{
	walk->scan.at = json_scan_space(walk->scan.at, walk->scan.end);
	if (walk->scan.at == walk->scan.end)
		return json_bad(walk, NULL);
	switch (*walk->scan.at) {
	case '{':
		return json_open(walk, true);
	case '[':
		return json_open(walk, false);
	case '"':
		return json_text(walk, build, STEP_AFTER);
	case 't':
		return json_word(walk, build, STR("true"), value_bool(true));
	case 'f':
		return json_word(walk, build, STR("false"), value_bool(false));
	case 'n':
		return json_word(walk, build, STR("null"), value_null());
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return json_number(walk, build);
	default:
		return json_bad(walk, "a value was expected");
	}
}

static inline enum step json_key(struct json_walk *walk, const bool build)
{
	struct json_scan *scan = &walk->scan;
	enum step step;

	scan->at = json_scan_space(scan->at, scan->end);
	if (scan->at == scan->end || *scan->at != '"')
		return json_bad(walk, "a key in double quotes was expected");
	step = json_text(walk, build, STEP_VALUE);
	if (step == STEP_BAD)
		return step;
	scan->at = json_scan_space(scan->at, scan->end);
	if (scan->at == scan->end || *scan->at != ':')
		return json_bad(walk, "a colon was expected");
	scan->at++;
	return step;
}

static inline enum step json_after(struct json_walk *walk, const bool build)
{
	struct json_scan *scan = &walk->scan;
	bool object;

	scan->at = json_scan_space(scan->at, scan->end);
	if (walk->depth == 0) {
		if (scan->at == scan->end)
			return STEP_DONE;
		return json_bad(walk, "nothing may stand behind the value");
	}
	object = walk->frames[walk->depth - 1].object;
	if (scan->at < scan->end && *scan->at == ',') {
		scan->at++;
		return object ? STEP_KEY : STEP_VALUE;
	}
	if (scan->at < scan->end && *scan->at == (object ? '}' : ']'))
		return json_close(walk, build);
	return json_bad(walk, object ? "a comma or a closing brace was expected"
				     : "a comma or a closing bracket was expected");
}

static inline __attribute__((always_inline)) bool json_walk(struct json_walk *walk,
							    const bool build)
{
	enum step step = STEP_VALUE;

	for (;;) {
		switch (step) {
		case STEP_VALUE:
			step = json_value(walk, build);
			break;
		case STEP_KEY:
			step = json_key(walk, build);
			break;
		case STEP_AFTER:
			step = json_after(walk, build);
			break;
		case STEP_DONE:
			return true;
		case STEP_BAD:
			return false;
		}
	}
}

static bool json_start(struct json_walk *walk, struct str text)
{
	walk->scan = (struct json_scan){ .at = text.ptr, .end = text.ptr + text.len };
	walk->scan.what = "longer than 4 GiB";
	walk->depth = 0;
	return text.len <= UINT32_MAX;
}

static void json_report(const struct json_walk *walk, struct str text, struct json_error *ret)
{
	if (!ret)
		return;
	ret->offset = text.len ? (size_t)(walk->scan.at - text.ptr) : 0;
	ret->what = walk->scan.what;
}

bool json_check(struct str text, struct json_error *ret_error)
{
	struct json_walk walk;

	walk.n_values = 0;
	if (!text.ptr)
		text = STR("");
	if (json_start(&walk, text) && json_walk(&walk, false))
		return true;
	json_report(&walk, text, ret_error);
	return false;
}

int json_read(struct str text, struct arena *arena, struct value *ret, struct json_error *ret_error)
{
	struct json_walk walk;
	size_t left;
	bool read;

	walk.arena = arena;
	walk.values = walk.local;
	walk.n_values = 0;
	walk.values_cap = SCRATCH_FIRST;
	left = arena->max - MIN(arena->used, arena->max);
	walk.values_max = MAX(left, (size_t)(arena->end - arena->at)) / sizeof(struct value);
	walk.heap = NULL;
	walk.no_memory = false;
	if (!text.ptr)
		text = STR("");
	read = json_start(&walk, text) && json_walk(&walk, true);
	if (read)
		*ret = walk.values[0];
	else if (!walk.no_memory)
		json_report(&walk, text, ret_error);
	free(walk.heap);
	return read ? 0 : walk.no_memory ? -ENOMEM : -EINVAL;
}
