/* tests/fuzz/libprocess.c: what leat writes as a message, it reads as the same one, whatever ids, names
 * and bodies are. The input is an id, a name and a sender, a line each, and then the body; or a head. */
#include "server/http/libprocess.h"
#include "core/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {
	.line_max = 65536, .head_max = 1 << 20, .fields_max = 100, .body_max = UINT64_MAX
};

static void try_letter(const struct libprocess_letter *letter)
{
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head head = { .fields = fields };
	struct libprocess_message message;
	struct http_scan scan = { 0 };
	int status = 0;
	size_t end = 0;
	struct buf out;

	buf_init(&out, SIZE_MAX);
	libprocess_write(letter, &out);
	check(http_head_scan(&scan, buf_str(&out), &limits, &end, &status) == HTTP_WHOLE);
	check(http_head_parse(str_first(buf_str(&out), end), &limits, &head) == 0);
	check(libprocess_is_message(&head) && libprocess_read(&head, &message));
	check(str_eq(message.to, letter->to) && str_eq(message.name, letter->name));
	check(head.chunked == (letter->body.len > 0) && !head.has_length && head.n_fields <= 5);
	buf_fini(&out);
}

static void try_head(struct str bytes)
{
	struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head head = { .fields = fields };
	struct libprocess_message message;
	struct libprocess_pid pid;

	if (http_head_parse(bytes, &limits, &head) != 0 || !libprocess_is_message(&head) ||
	    !libprocess_read(&head, &message))
		return;
	check(head.method_id == HTTP_POST);
	check(message.from.len == 0 || libprocess_pid_read(message.from, &pid));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, from = STR("");
	struct libprocess_letter letter = { .to_addr = STR("10.0.0.9:5050"),
					    .from_addr = STR("10.0.0.2:80") };
	struct buf id;

	try_head(rest);
	if (!size || !str_next_part(&rest, '\n', &letter.to) || !rest.ptr ||
	    !str_next_part(&rest, '\n', &letter.name))
		return 0;
	if (rest.ptr && str_next_part(&rest, '\n', &from))
		letter.body = rest;
	if (!libprocess_id_is_right(letter.to) || !libprocess_name_is_right(letter.name) ||
	    from.len > LIBPROCESS_ID_MAX)
		return 0;
	buf_init(&id, SIZE_MAX);
	libprocess_write_id(from, &id);
	letter.from = buf_str(&id);
	try_letter(&letter);
	buf_fini(&id);
	return 0;
}
