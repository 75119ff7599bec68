/* server/sql/pg_params.c */
#include "server/sql/pg_params.h"
#include "server/sql/pg_pool.h"
#include "server/sql/sql_url.h"

static void params_ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

struct params {
	const char *names[32], *values[32]; /* ten of ours, all of pg_parameters, and the end */
	size_t n;
};

static void params_add(struct params *params, const char *name, const char *value)
{
	if (!value || !value[0])
		return;
	check(params->n + 1 < ARRAY_LEN(params->names));
	params->names[params->n] = name;
	params->values[params->n++] = value;
}

static void params_add_query(struct params *params, const struct sql_address *address,
			     struct arena *arena)
{
	struct str value;

	for (size_t i = 0; pg_parameters[i]; i++)
		if (sql_url_parameter(address->query, pg_parameters[i], arena, &value))
			params_add(params, pg_parameters[i], value.ptr);
}

PGconn *pg_params_connect(const struct sql_address *address, const char *host, const char *hostaddr,
			  const char *port)
{
	struct params params = { 0 };
	struct arena arena;
	PGconn *pg;

	arena_init_required(&arena);
	params_add(&params, "host", host);
	params_add(&params, "hostaddr", hostaddr);
	params_add(&params, "port", port);
	params_add(&params, "user", address->user.ptr);
	params_add(&params, "password", address->password.ptr);
	params_add(&params, "dbname", address->database.ptr);
	params_add(&params, "client_encoding", "UTF8");
	params_add(&params, "gssencmode", "disable");
	params_add(&params, "passfile", "/dev/null/none"); /* of one that is there it complains */
	params_add(&params, "fallback_application_name", "leat");
	params_add_query(&params, address, &arena);
	pg = PQconnectStartParams(params.names, params.values, 0);
	arena_fini(&arena);
	if (pg)
		PQsetNoticeProcessor(pg, params_ignore_notice, NULL);
	return pg;
}
