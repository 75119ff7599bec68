/* tests/fuzz/traceparent.c: what is read as a traceparent is written as one that is read the same.
 *
 * The input is a traceparent, and behind a newline a tracestate. */
#include "server/trace/traceparent.h"
#include "core/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, text;
	struct traceparent first, again;
	char written[TRACEPARENT_LEN];

	if (!str_next_part(&rest, '\n', &text))
		return 0;
	if (traceparent_read(text, &first)) {
		check((first.high | first.low) && first.span && first.flags <= TRACE_SAMPLED);
		traceparent_write(written, &first);
		check(traceparent_read((struct str){ written, TRACEPARENT_LEN }, &again));
		check(first.high == again.high && first.low == again.low);
		check(first.span == again.span && first.flags == again.flags);
	}
	if (tracestate_is_good(rest))
		check(rest.len <= TRACESTATE_MAX && str_has(rest, '=') && !str_has(rest, '\n'));
	return 0;
}
