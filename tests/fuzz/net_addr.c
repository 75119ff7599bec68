/* tests/fuzz/net_addr.c: what is read as an address is written as a text that reads the same. */
#include "core/base/check.h"
#include "core/io/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[NET_ADDR_TEXT_MAX];
	struct net_addr addr, again;

	if (net_addr_parse((struct str){ (const char *)data, size }, &addr) < 0)
		return 0;
	check(net_addr_parse(str_of(net_addr_write(out, &addr)), &again) == 0);
	check(net_addr_eq(&addr, &again));
	return 0;
}
