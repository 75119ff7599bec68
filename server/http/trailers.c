/* server/http/trailers.c */
#include "server/http/trailers.h"
#include "core/base/check.h"
#include "server/http/fields.h"

/* RFC 9110 §6.5.1's kinds, in its order; then those of the sender and his neighbours. */
static const struct str never[] = {
	STR_INIT("transfer-encoding"),
	STR_INIT("content-length"),
	STR_INIT("host"),
	STR_INIT("cache-control"),
	STR_INIT("expect"),
	STR_INIT("max-forwards"),
	STR_INIT("pragma"),
	STR_INIT("range"),
	STR_INIT("te"),
	STR_INIT("authorization"),
	STR_INIT("www-authenticate"),
	STR_INIT("cookie"),
	STR_INIT("set-cookie"),
	STR_INIT("age"),
	STR_INIT("allow"),
	STR_INIT("date"),
	STR_INIT("expires"),
	STR_INIT("location"),
	STR_INIT("retry-after"),
	STR_INIT("vary"),
	STR_INIT("warning"),
	STR_INIT("trailer"),
	STR_INIT("connection"),
	STR_INIT("keep-alive"),
	STR_INIT("upgrade"),
	STR_INIT("http2-settings"),
	STR_INIT("origin"),
	STR_INIT("referer"),
	STR_INIT("forwarded"),
	STR_INIT("via"),
	STR_INIT("x-real-ip"),
	STR_INIT("x-request-id"),
	STR_INIT("traceparent"),
	STR_INIT("tracestate"),
	STR_INIT("idempotency-key"),
	STR_INIT("strict-transport-security"),
};

/* Conditions, what describes a body, what proxies say, what browsers obey. Content-Digest and
 * Repr-Digest (RFC 9530 §2) are made to stand here. */
static const struct str never_begins[] = {
	STR_INIT("if-"),          STR_INIT("content-"), STR_INIT("proxy-"),
	STR_INIT("x-forwarded-"), STR_INIT("sec-"),     STR_INIT("access-control-"),
};

bool http_trailer_may_pass(struct str name)
{
	if (str_eq_nocase(name, STR("content-digest")))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (http_names_alike(name, never[i]))
			return false;
	for (size_t i = 0; i < ARRAY_LEN(never_begins); i++)
		if (http_names_alike(str_first(name, MIN(name.len, never_begins[i].len)),
				     never_begins[i]))
			return false;
	return true;
}
