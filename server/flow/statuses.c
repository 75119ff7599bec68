/* server/flow/statuses.c */
#include "server/flow/statuses.h"
#include <errno.h>

void statuses_add_range(struct statuses *statuses, int first, int last)
{
	for (int status = first; status <= last; status++)
		statuses->bits[status / 64] |= UINT64_C(1) << (status % 64);
}

int statuses_add(struct statuses *statuses, struct str text)
{
	uint64_t number;
	int class;

	if (text.len != 3 || text.ptr[0] < '1' || text.ptr[0] > '5')
		return -EINVAL;
	class = (text.ptr[0] - '0') * 100;
	if (str_eq_nocase(str_skip(text, 1), STR("xx"))) {
		statuses_add_range(statuses, class, class + 99);
		return 0;
	}
	if (str_to_u64(text, &number) < 0)
		return -EINVAL;
	statuses_add_range(statuses, (int)number, (int)number);
	return 0;
}

bool statuses_has(const struct statuses *statuses, int status)
{
	if (status < 0 || status >= 640)
		return false;
	return statuses->bits[status / 64] >> (status % 64) & 1;
}
