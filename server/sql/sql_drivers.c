/* server/sql/sql_drivers.c: the table of all drivers. */
#include "core/base/check.h"
#include "server/sql/sql_driver.h"

#if WITH_POSTGRES
#define POSTGRES &sql_driver_postgres
#else
#define POSTGRES NULL
#endif

#if WITH_MYSQL
#define MYSQL &sql_driver_mysql
#else
#define MYSQL NULL
#endif

static const struct {
	const char *scheme;
	const struct sql_driver *driver; /* NULL: left out */
	const char *feature;
} schemes[] = {
	{ "sqlite", &sql_driver_sqlite, NULL },      { "postgres", POSTGRES, "WITH_POSTGRES" },
	{ "postgresql", POSTGRES, "WITH_POSTGRES" }, { "mysql", MYSQL, "WITH_MYSQL" },
	{ "mariadb", MYSQL, "WITH_MYSQL" },
};

const struct sql_driver *sql_driver_find(struct str scheme, const char **ret_missing)
{
	*ret_missing = NULL;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (!str_eq(scheme, str_of(schemes[i].scheme)))
			continue;
		if (!schemes[i].driver)
			*ret_missing = schemes[i].feature;
		return schemes[i].driver;
	}
	return NULL;
}
