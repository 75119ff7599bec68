/* server/sql/sql_drivers.c: the table of all drivers. */
#include "core/base/check.h"
#include "server/sql/sql_driver.h"

static const struct {
	const char *scheme;
	const struct sql_driver *driver;
} schemes[] = {
	{ "sqlite", &sql_driver_sqlite },
};

const struct sql_driver *sql_driver_find(struct str scheme)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_eq(scheme, str_of(schemes[i].scheme)))
			return schemes[i].driver;
	return NULL;
}
