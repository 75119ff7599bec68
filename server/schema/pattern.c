/* server/schema/pattern.c
 *
 * PCRE2 counts how often a match goes back, but from each place of the subject anew. So a pattern
 * that is not anchored is compiled behind a lazy "anything", and is matched from the first place
 * only: then the count covers all of the search, and a limit on it bounds the whole match. As
 * nobody tells how much of a limit was used, small ones are tried first, and each that was tried is
 * paid for: with it the time between two counts, which is at most one look through the subject. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "server/schema/pattern.h"
#include "core/base/buf.h"
#include "server/schema/pattern_syntax.h"
#include <pcre2.h>
#include <stdlib.h>

enum {
	FIRST_LIMIT = 8,         /* is enough for most */
	LIMIT_MAX = 16384,       /* and 8 more for each byte of the subject */
	BYTES_PER_STEP = 64,     /* that are looked through in the time of a step */
	PATTERN_LEN_MAX = 16384, /* bytes of one */
	HEAP_KIB_MAX = 4096,
};

struct pattern {
	struct str text;
	pcre2_code *code;
};

/* ------------------------------------------------------------ compiling */

static void *pattern_alloc(size_t size, void *arena)
{
	return arena_alloc(arena, size);
}

static void pattern_keep(void *ptr, void *arena)
{
	(void)ptr;
	(void)arena;
}

static void *memory_alloc(size_t size, void *unused)
{
	(void)unused;
	return malloc(size);
}

static void memory_free(void *ptr, void *unused)
{
	(void)unused;
	free(ptr);
}

static pcre2_code *pattern_compile_text(pcre2_compile_context *context, struct str text,
					uint32_t more, int *ret_error)
{
	/* What makes PCRE2 read what ECMA-262 means. */
	const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
				 PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
				 PCRE2_NEVER_BACKSLASH_C | more;
	PCRE2_SIZE offset;

	return pcre2_compile((PCRE2_SPTR)text.ptr, text.len, options, ret_error, &offset, context);
}

static struct str pattern_error(struct arena *arena, int error)
{
	char message[256];

	if (pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message)) < 0)
		return STR("not a regular expression");
	return arena_printf(arena, "%s", message);
}

/* The pattern as it is when it begins at the start of the subject anyway, else behind ".*?". */
static pcre2_code *pattern_compile_code(pcre2_compile_context *context, struct str text,
					int *ret_error)
{
	pcre2_code *code = pattern_compile_text(context, text, 0, ret_error);
	uint32_t options = 0;
	struct buf out;

	if (!code)
		return NULL;
	pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
	if (options & PCRE2_ANCHORED)
		return code;
	buf_init(&out, 2 * PATTERN_LEN_MAX + 64);
	buf_printf(&out, "(?s:.*?)(?:%.*s)", STR_ARG(text));
	code = pattern_compile_text(context, buf_str(&out), PCRE2_ANCHORED, ret_error);
	buf_fini(&out);
	return code;
}

static pcre2_code *pattern_compile_all(struct arena *arena, struct str text, int *ret_error)
{
	pcre2_general_context *general =
		pcre2_general_context_create(pattern_alloc, pattern_keep, arena);
	pcre2_compile_context *context = pcre2_compile_context_create(general);

	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
	return pattern_compile_code(context, text, ret_error);
}

const struct pattern *pattern_compile(struct arena *arena, struct str text, struct str *ret_problem)
{
	struct pattern *pattern = arena_zalloc(arena, sizeof(*pattern));
	const char *problem;
	struct buf out;
	int error = 0;

	pattern->text = text;
	if (text.len > PATTERN_LEN_MAX || memchr(text.ptr, '\0', text.len)) {
		*ret_problem = STR("it is longer than 16 KiB, or has a NUL");
		return NULL;
	}
	buf_init(&out, 16 * PATTERN_LEN_MAX);
	problem = pattern_read(text, &out);
	if (problem)
		*ret_problem = str_of(problem);
	else
		pattern->code =
			pattern_compile_all(arena, out.len ? buf_str(&out) : STR(""), &error);
	if (!problem && !pattern->code)
		*ret_problem = pattern_error(arena, error);
	buf_fini(&out);
	return pattern->code ? pattern : NULL;
}

struct str pattern_text(const struct pattern *pattern)
{
	return pattern->text;
}

bool pattern_is_ecma(struct str text, const char **ret_problem)
{
	const char *problem = pattern_read(text, NULL);

	if (ret_problem)
		*ret_problem = problem;
	return problem == NULL;
}

/* ------------------------------------------------------------ matching */

static bool pattern_memory_init(struct pattern_memory *memory)
{
	if (memory->data)
		return true;
	if (!memory->general)
		memory->general = pcre2_general_context_create(memory_alloc, memory_free, NULL);
	if (!memory->context)
		memory->context = pcre2_match_context_create(memory->general);
	if (memory->context)
		memory->data = pcre2_match_data_create(1, memory->general);
	if (!memory->data)
		return false;
	pcre2_set_heap_limit(memory->context, HEAP_KIB_MAX);
	return true;
}

void pattern_memory_fini(struct pattern_memory *memory)
{
	pcre2_match_data_free(memory->data);
	pcre2_match_context_free(memory->context);
	pcre2_general_context_free(memory->general);
	*memory = (struct pattern_memory){ 0 };
}

/* One try. */
static enum pattern_verdict pattern_try(const struct pattern *pattern, struct str subject,
					const struct pattern_memory *memory, uint64_t limit)
{
	int r;

	pcre2_set_match_limit(memory->context, (uint32_t)limit);
	r = pcre2_match(pattern->code, (PCRE2_SPTR)subject.ptr, subject.len, 0, PCRE2_ANCHORED,
			memory->data, memory->context);
	if (r >= 0)
		return PATTERN_MATCHES;
	if (r == PCRE2_ERROR_MATCHLIMIT)
		return PATTERN_UNDECIDED;
	if (r == PCRE2_ERROR_HEAPLIMIT || r == PCRE2_ERROR_DEPTHLIMIT)
		return PATTERN_IMPOSSIBLE;
	return r == PCRE2_ERROR_NOMEMORY ? PATTERN_NO_MEMORY : PATTERN_DIFFERS;
}

enum pattern_verdict pattern_match(const struct pattern *pattern, struct str subject,
				   struct pattern_memory *memory, uint64_t *steps)
{
	uint64_t limit = FIRST_LIMIT, limit_max = LIMIT_MAX + 8 * (uint64_t)subject.len;
	uint64_t price = 1 + subject.len / BYTES_PER_STEP;

	if (!pattern_memory_init(memory))
		return PATTERN_NO_MEMORY;
	if (!subject.ptr)
		subject = STR("");
	for (;; limit *= 8) {
		enum pattern_verdict verdict;

		limit = MIN(limit, limit_max);
		if (limit > UINT32_MAX)
			return PATTERN_IMPOSSIBLE;
		if (limit * price > *steps)
			return PATTERN_UNDECIDED;
		*steps -= limit * price;
		verdict = pattern_try(pattern, subject, memory, limit);
		if (verdict != PATTERN_UNDECIDED)
			return verdict;
		if (limit == limit_max)
			return PATTERN_IMPOSSIBLE;
	}
}
