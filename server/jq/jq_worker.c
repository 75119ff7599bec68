/* server/jq/jq_worker.c
 *
 * A compile costs 30 ms, as libjq compiles its own library each time; so each program is compiled
 * once and kept, the least recently used one making room for the 65th (about 1 MiB each). */
#include "server/jq/jq_worker.h"
#include "core/base/buf.h"
#include "core/base/memory.h"
#include "server/jq/jq_confine.h"
#include "server/jq/jq_wire.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if WITH_JQ
#if !__has_include(<jq.h>)
#error "libjq is missing: install libjq-dev (Debian) or jq-devel (Fedora), or make WITH_JQ=no"
#endif
#include <jq.h>
#include <jv.h>

enum {
	PROGRAMS_MAX = 64,
};

struct program {
	char *text; /* NULL: a free place */
	size_t len;
	jq_state *state;
	uint64_t used; /* the number of the request that used it last */
};

struct jq_worker {
	struct program programs[PROGRAMS_MAX];
	uint64_t n_requests;
	struct buf message; /* what libjq has complained about */
	struct buf out;
};

/* ------------------------------------------------------------ the process */

/* False at the end, or when the other side has gone. */
static bool worker_read(char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = read(0, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

static bool worker_write(const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(0, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* ------------------------------------------------------------ programs */

/* Each complaint is "jq: error: what at <top-level>, line 2:" and the line; the last one only
 * counts them. */
static void worker_on_error(void *data, jv error)
{
	struct jq_worker *worker = data;
	jv text = jq_format_error(error);

	if (worker->message.len == 0 && jv_get_kind(text) == JV_KIND_STRING)
		buf_add(&worker->message, str_first(str_of(jv_string_value(text)), JQ_MESSAGE_MAX));
	jv_free(text);
}

/* No module of the file system is ever read. */
static jq_state *worker_compile(struct jq_worker *worker, const char *text, jv variables)
{
	jq_state *state = jq_init();

	check(state);
	jq_set_error_cb(state, worker_on_error, worker);
	jq_set_attr(state, jv_string("JQ_LIBRARY_PATH"), jv_array());
	jq_set_attr(state, jv_string("JQ_ORIGIN"), jv_string("/nonexistent"));
	jq_set_attr(state, jv_string("PROGRAM_ORIGIN"), jv_string("/nonexistent"));
	if (!jq_compile_args(state, text, variables))
		jq_teardown(&state);
	return state;
}

static void program_drop(struct program *program)
{
	free(program->text);
	program->text = NULL;
	jq_teardown(&program->state);
}

static struct program *worker_find(struct jq_worker *worker, const char *text, size_t len)
{
	struct program *oldest = &worker->programs[0];

	for (size_t i = 0; i < PROGRAMS_MAX; i++) {
		struct program *program = &worker->programs[i];

		if (program->text && program->len == len && memcmp(program->text, text, len) == 0)
			return program;
		if (oldest->text && (!program->text || program->used < oldest->used))
			oldest = program;
	}
	if (oldest->text)
		program_drop(oldest);
	oldest->state = worker_compile(worker, text, jv_object());
	if (!oldest->state)
		return NULL;
	oldest->text = mem_strndup(text, len);
	oldest->len = len;
	return oldest;
}

/* ------------------------------------------------------------ one run */

/* What a failed program says: error("text"), or error of any value. Frees it. */
static void worker_take_error(struct jq_worker *worker, jv message)
{
	if (jv_get_kind(message) != JV_KIND_STRING)
		message = jv_dump_string(message, 0);
	buf_clear(&worker->message);
	buf_add(&worker->message, str_first(str_of(jv_string_value(message)), JQ_MESSAGE_MAX));
	jv_free(message);
}

static enum jq_status worker_add_value(struct jq_worker *worker, jv value, uint32_t *ret_size)
{
	size_t before = worker->out.len;
	jv text = jv_dump_string(value, 0);

	if (before > 1)
		buf_add_char(&worker->out, ',');
	buf_add(&worker->out, (struct str){ jv_string_value(text),
					    (size_t)jv_string_length_bytes(jv_copy(text)) });
	if (before == 1)
		*ret_size = (uint32_t)(worker->out.len - before);
	jv_free(text);
	return worker->out.error ? JQ_STATUS_TOO_LARGE : JQ_STATUS_OK;
}

/* `halt` is an end like any other, `halt_error` a failure. The program is compiled again the next
 * time: what it has halted with would stay. */
static enum jq_status worker_end_halted(struct jq_worker *worker, struct program *program)
{
	jv code = jq_get_exit_code(program->state);
	bool failed = jv_is_valid(code);

	jv_free(code);
	if (failed)
		worker_take_error(worker, jq_get_error_message(program->state));
	program_drop(program);
	return failed ? JQ_STATUS_FAILED : JQ_STATUS_OK;
}

static enum jq_status worker_run(struct jq_worker *worker, struct program *program, jv input,
				 uint32_t *ret_first_size)
{
	enum jq_status status = JQ_STATUS_OK;
	jv value;

	jq_start(program->state, input, 0);
	while (status == JQ_STATUS_OK && jv_is_valid(value = jq_next(program->state)))
		status = worker_add_value(worker, value, ret_first_size);
	if (status != JQ_STATUS_OK)
		return status;
	if (jv_invalid_has_msg(jv_copy(value))) {
		worker_take_error(worker, jv_invalid_get_msg(value));
		return JQ_STATUS_FAILED;
	}
	jv_free(value);
	return jq_halted(program->state) ? worker_end_halted(worker, program) : JQ_STATUS_OK;
}

/* ------------------------------------------------------------ requests */

static enum jq_status worker_do_run(struct jq_worker *worker, const struct jq_request *request,
				    const char *text, const char *input, uint32_t *ret_first_size)
{
	struct program *program = worker_find(worker, text, request->program_size);
	enum jq_status status;
	jv value;

	if (!program)
		return JQ_STATUS_FAILED;
	program->used = worker->n_requests;
	value = jv_parse_sized(input, (int)request->input_size);
	if (!jv_is_valid(value)) {
		worker_take_error(worker, jv_invalid_get_msg(value));
		return JQ_STATUS_FAILED;
	}
	buf_add_char(&worker->out, '[');
	status = worker_run(worker, program, value, ret_first_size);
	buf_add_char(&worker->out, ']');
	return worker->out.error && status == JQ_STATUS_OK ? JQ_STATUS_TOO_LARGE : status;
}

static enum jq_status worker_do_check(struct jq_worker *worker, const char *text, const char *names)
{
	struct str rest = str_of(names), name;
	jv variables = jv_object();
	jq_state *state;

	while (rest.len > 0 && str_next_part(&rest, ' ', &name))
		variables = jv_object_set(variables, jv_string_sized(name.ptr, (int)name.len),
					  jv_null());
	state = worker_compile(worker, text, variables);
	if (!state)
		return JQ_STATUS_FAILED;
	jq_teardown(&state);
	return JQ_STATUS_OK;
}

static bool worker_answer(struct jq_worker *worker, const struct jq_request *request,
			  enum jq_status status, uint32_t first_size)
{
	struct str bytes = status == JQ_STATUS_OK       ? buf_str(&worker->out)
			   : status == JQ_STATUS_FAILED ? buf_str(&worker->message)
							: STR_NONE;
	const struct jq_answer answer = { .status = (uint32_t)status,
					  .number = request->number,
					  .size = (uint32_t)bytes.len,
					  .first_size = status == JQ_STATUS_OK ? first_size : 0 };

	return worker_write((const char *)&answer, sizeof(answer)) &&
	       worker_write(bytes.ptr, bytes.len);
}

/* False: there will be no more. */
static bool worker_serve(struct jq_worker *worker)
{
	struct jq_request request;
	enum jq_status status;
	uint32_t first_size = 0;
	char *text, *input;
	bool ok;

	if (!worker_read((char *)&request, sizeof(request)))
		return false;
	check(request.program_size <= JQ_PROGRAM_MAX && request.input_size <= JQ_INPUT_MAX);
	text = mem_zalloc((size_t)request.program_size + 1);
	input = mem_alloc((size_t)request.input_size + 1);
	input[request.input_size] = '\0';
	ok = worker_read(text, request.program_size) && worker_read(input, request.input_size);
	if (ok) {
		worker->n_requests++;
		jq_confine_cpu(request.cpu_s);
		buf_init(&worker->message, JQ_MESSAGE_MAX);
		buf_init(&worker->out, (size_t)request.output_max + 2);
		status = request.op == JQ_OP_CHECK
				 ? worker_do_check(worker, text, input)
				 : worker_do_run(worker, &request, text, input, &first_size);
		ok = worker_answer(worker, &request, status, first_size);
		buf_fini(&worker->message);
		buf_fini(&worker->out);
	}
	free(text);
	free(input);
	return ok;
}

int jq_worker_main(void)
{
	static struct jq_worker worker;

	jq_confine();
	while (worker_serve(&worker))
		;
	_exit(0); /* what is compiled need not be taken apart */
}

#else

int jq_worker_main(void)
{
	fprintf(stderr, "leat: this leat was built without jq\n");
	return 1;
}

#endif
