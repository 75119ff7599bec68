/* tests/fuzz/dns_message.c: an answer of DNS is read or refused, and what is read is within bounds. The
 * first byte chooses the type. */
#include "core/io/dns_message.h"
#include "core/base/check.h"
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void record_check(const struct dns_record *record, enum dns_type type)
{
	for (size_t i = 0; i < record->text.len && type != DNS_TXT; i++) {
		char c = record->text.ptr[i];

		check(char_is_alpha(c) || char_is_digit(c) || c == '-' || c == '_' || c == '.' ||
		      c == '\\' || c == ':');
	}
	check(record->text.len <= (type == DNS_TXT ? 65535U : 1020U));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A,  DNS_AAAA, DNS_CNAME, DNS_MX,
					       DNS_NS, DNS_PTR,  DNS_SRV,   DNS_TXT };
	struct dns_answer answer;
	struct arena arena;
	enum dns_type type;
	char *copy;
	int r;

	if (size == 0)
		return 0;
	type = types[data[0] % ARRAY_LEN(types)];
	copy = malloc(size); /* of its own size, so that what is read past it is seen */
	check(copy);
	memcpy(copy, data + 1, size - 1);
	arena_init(&arena, 1 << 20);
	r = dns_message_read((struct str){ copy, size - 1 }, type, &arena, &answer);
	check(r == 0 || r == -EBADMSG || r == -ENOMEM);
	free(copy);
	for (size_t i = 0; r == 0 && i < answer.n_records; i++)
		record_check(&answer.records[i], type);
	arena_fini(&arena);
	return 0;
}
