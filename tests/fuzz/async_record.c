/* tests/fuzz/async_record.c: whatever is read as a kept request, all of it is of the bytes. */
#include "core/base/check.h"
#include "server/async/record.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_within(struct str text, struct str bytes)
{
	check(text.len == 0 ||
	      (text.ptr >= bytes.ptr && text.ptr + text.len <= bytes.ptr + bytes.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str bytes = { (const char *)data, size };
	struct http_field fields[HTTP_FIELDS_MAX];
	struct async_record record = { .fields = fields };

	if (!record_read(bytes, &record))
		return 0;
	const struct str texts[] = { record.method, record.target,    record.path,
				     record.query,  record.host,      record.client_addr,
				     record.id,     record.peer_addr, record.auth,
				     record.tls,    record.body };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		is_within(texts[i], bytes);
	check(record.n_fields <= HTTP_FIELDS_MAX);
	for (size_t i = 0; i < record.n_fields; i++) {
		is_within(fields[i].name, bytes);
		is_within(fields[i].value, bytes);
	}
	return 0;
}
