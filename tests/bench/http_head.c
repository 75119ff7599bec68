/* tests/bench/http_head.c: nanoseconds to find the end of a head and to read it, llhttp's
 * reading included. */
#include "core/base/check.h"
#include "core/base/clock.h"
#include "server/http/head.h"
#include <inttypes.h>
#include <stdio.h>

static const struct {
	const char *name;
	struct str bytes;
} heads[] = {
	{ "wrk", STR_INIT("GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n") },
	{ "curl", STR_INIT("GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
			   "User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n") },
	{ "browser",
	  STR_INIT("GET /user/17?tab=orders&page=2 HTTP/1.1\r\nHost: shop.example.org\r\n"
		   "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 "
		   "Firefox/128.0\r\n"
		   "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
		   "Accept-Language: en-US,en;q=0.5\r\n"
		   "Accept-Encoding: gzip, deflate, br, zstd\r\n"
		   "Connection: keep-alive\r\n"
		   "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
		   "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\n"
		   "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n"
		   "Sec-Fetch-User: ?1\r\nPriority: u=0, i\r\n\r\n") },
};

static const struct http_limits limits = {
	.line_max = 8192, .head_max = 32768, .fields_max = 100, .body_max = 1 << 20
};

int main(void)
{
	enum { ROUNDS = 1000000 };
	static struct http_field fields[HTTP_FIELDS_MAX];

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		uint64_t start = clock_monotonic_ns(), scanned = 0, end;
		size_t size = 0;
		int status;

		for (unsigned round = 0; round < ROUNDS; round++) {
			struct http_scan scan = { 0 };

			check(http_head_scan(&scan, heads[i].bytes, &limits, &size, &status) ==
			      HTTP_WHOLE);
			__asm__ volatile("" ::: "memory");
		}
		scanned = clock_monotonic_ns();
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct http_head head = { .fields = fields };

			check(http_head_parse(heads[i].bytes, &limits, &head) == 0);
			__asm__ volatile("" ::: "memory");
		}
		end = clock_monotonic_ns();
		printf("http_head %s: %zu bytes, scan %" PRIu64 " ns, parse %" PRIu64 " ns\n",
		       heads[i].name, size, (scanned - start) / ROUNDS, (end - scanned) / ROUNDS);
	}
	return 0;
}
