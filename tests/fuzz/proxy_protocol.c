/* tests/fuzz/proxy_protocol.c: a header reads the same however it is cut into pieces, and never
 * takes more bytes than there are. */
#include "server/http/proxy_protocol.h"
#include "core/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data, size };
	struct proxy_source source = { 0 }, again = { 0 };
	size_t used = 0, used_again = 0;
	enum proxy_step step = proxy_header_read(bytes, &used, &source);

	if (step == PROXY_WHOLE)
		check(used > 0 && used <= size && used <= PROXY_HEADER_MAX);
	if (step == PROXY_MORE)
		check(size < PROXY_HEADER_MAX);
	for (size_t n = 0; n < size; n += n < 256 ? 1 : 97) {
		enum proxy_step part = proxy_header_read(str_first(bytes, n), &used_again, &again);

		if (step == PROXY_MORE || (step == PROXY_WHOLE && n < used))
			check(part == PROXY_MORE); /* what is good is not refused too early */
		if (step == PROXY_BAD)
			check(part != PROXY_WHOLE);
		if (part == PROXY_WHOLE)
			check(used_again == used && again.known == source.known &&
			      again.port == source.port &&
			      memcmp(&again.ip, &source.ip, sizeof(again.ip)) == 0);
	}
	return 0;
}
