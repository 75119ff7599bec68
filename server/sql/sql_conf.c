/* server/sql/sql_conf.c */
#include "server/sql/sql_conf.h"
#include "server/flow/step.h"
#include "server/sql/sql_url.h"

enum { SQL_POOL_MAX = 1000, SQL_DAY_MS = 86400000 };

struct sql_config {
	struct str url, user, password;
	const struct node *pool;
	uint64_t timeout_ms, connect_ms, max_bytes;
	int64_t max_rows, statements;
	int decimals;
};

struct pool_config {
	int64_t max, waiters;
	uint64_t idle_ms;
};

#define AT(field) offsetof(struct pool_config, field)
static const struct setting pool_keys[] = {
	{ "max", SETTING_INT, AT(max), "8",
	  "Connections of the whole process; of SQLite, those that read: one more writes.", 1,
	  SQL_POOL_MAX },
	{ "waiters", SETTING_INT, AT(waiters), "1000",
	  "Tasks that may wait for a connection; one more fails with pool_exhausted.", 0, 1000000 },
	{ "idle", SETTING_DURATION, AT(idle_ms), "60s", "When an unused connection is closed.", 1,
	  SQL_DAY_MS },
	SETTINGS_END
};
#undef AT

static const char *const decimals_choices[] = { "text", "number", NULL };

#define AT(field) offsetof(struct sql_config, field)
const struct setting sql_keys[] = {
	{ "url", SETTING_TEXT, AT(url),
	  .help = "sqlite:FILE, a file beneath files_root; or postgres:// or "
		  "mysql://user@host[:port]/database.",
	  .required = true },
	{ "user", SETTING_TEXT, AT(user), .help = "Instead of the URL's." },
	{ "password", SETTING_TEXT, AT(password),
	  .help = "Instead of the URL's: ${secret.NAME}, with any characters." },
	{ "pool", SETTING_MAP, AT(pool), .help = "How many connections there may be.",
	  .keys = pool_keys },
	{ "timeout", SETTING_DURATION, AT(timeout_ms), "30s",
	  "What a task may take, waiting for a connection included; the database is told to stop.",
	  1, SQL_DAY_MS },
	{ "connect_timeout", SETTING_DURATION, AT(connect_ms), "5s",
	  "Looking up the name, connecting and logging in.", 1, 3600000 },
	{ "max_rows", SETTING_INT, AT(max_rows), "10000",
	  "Rows of one task that says nothing else; more is too_large.", 1, INT64_C(1) << 40 },
	{ "max_bytes", SETTING_SIZE, AT(max_bytes), "8m", "Those rows as JSON; more is too_large.",
	  1, INT64_C(1) << 30 },
	{ "statements", SETTING_INT, AT(statements), "256",
	  "Prepared statements that a connection keeps; 0: none.", 0, 100000 },
	{ "decimals", SETTING_CHOICE, AT(decimals), "text",
	  "What numeric and decimal columns become: text, or number; both exact.",
	  .choices = decimals_choices },
	SETTINGS_END
};
#undef AT

/* Relative, and nothing in it leads out; what a link could do is refused when it is opened. */
static bool path_is_beneath(struct str path)
{
	struct str rest = path, part;

	if (path.ptr[0] == '/' || path.ptr[0] == ':' || path.ptr[path.len - 1] == '/')
		return false;
	while (rest.len && str_next_part(&rest, '/', &part))
		if (part.len == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
			return false;
	return true;
}

static bool conf_read_file(struct sql_db *db, const struct node *node, struct str url,
			   struct str files_root, struct diag *diag)
{
	struct str path = STR("");

	if (!sql_url_read_file(url, &db->arena, &path) || !path_is_beneath(path)) {
		diag_error(diag, node->place,
			   "\"%.*s\" is not a file beneath files_root; write sqlite:NAME.db",
			   STR_ARG(str_first(url, 80)));
		return false;
	}
	db->address = (struct sql_address){ .root = arena_str(&db->arena, files_root) };
	db->address.path =
		arena_printf(&db->arena, "%.*s/%.*s", STR_ARG(files_root), STR_ARG(path));
	return true;
}

static bool conf_check_sslmode(struct sql_db *db, const struct node *node, struct diag *diag)
{
	const char *const *modes = db->driver->sslmodes;
	struct str mode;

	if (!sql_url_parameter(db->address.query, "sslmode", &db->arena, &mode))
		return true;
	for (size_t i = 0; modes[i]; i++)
		if (str_eq(mode, str_of(modes[i])))
			return true;
	diag_error(diag, node->place,
		   "sslmode=%.*s is none of %s; write sslmode=require or sslmode=verify-full",
		   STR_ARG(str_first(mode, 40)), db->driver->scheme);
	return false;
}

/* What is wrong is not shown: there may be a password in it. */
static bool conf_read_server(struct sql_db *db, const struct node *node,
			     const struct sql_config *config, struct diag *diag)
{
	struct str stranger;

	if (!sql_url_read_server(config->url, &db->arena, &db->address)) {
		diag_error(diag, node->place,
			   "not a URL of a database; write %s://user@host:port/database",
			   db->driver->scheme);
		return false;
	}
	if (sql_url_stranger(db->address.query, db->driver->parameters, &stranger)) {
		diag_error(diag, node->place, "a URL of %s has no parameter \"%.*s\"",
			   db->driver->scheme, STR_ARG(str_first(stranger, 40)));
		return false;
	}
	if (!conf_check_sslmode(db, node, diag))
		return false;
	if (config->user.ptr)
		db->address.user = arena_str(&db->arena, config->user);
	if (config->password.ptr)
		db->address.password = arena_str(&db->arena, config->password);
	return true;
}

static bool conf_read_url(struct sql_db *db, const struct node *entry,
			  const struct sql_config *config, struct str files_root, struct diag *diag)
{
	const struct node *node = node_find(entry, "url");
	struct str scheme = sql_url_scheme(config->url);
	const char *missing;

	db->driver = sql_driver_find(scheme, &missing);
	if (!db->driver && missing) {
		diag_error(
			diag, node->place,
			"this leat was built without this database (%s=no); install one that has "
			"it",
			missing);
		return false;
	}
	if (!db->driver) {
		diag_error(diag, node->place,
			   "this is no database that leat knows; write sqlite:FILE, "
			   "postgres://user@host/database or mysql://user@host/database");
		return false;
	}
	if (db->driver->is_remote)
		return conf_read_server(db, node, config, diag);
	if (config->user.ptr || config->password.ptr) {
		diag_error(diag, node->place, "a file has no user and no password; remove them");
		return false;
	}
	return conf_read_file(db, node, config->url, files_root, diag);
}

static bool conf_read(struct sql_db *db, const struct node_entry *entry, struct str files_root,
		      struct conf *conf, struct diag *diag)
{
	struct sql_config config = { 0 };
	struct pool_config pool = { 0 };
	const struct settings_part part = { sql_keys, &config }, pools = { pool_keys, &pool };

	if (!name_is_valid(entry->key)) {
		diag_error(diag, entry->key_place,
			   "\"%.*s\" cannot be the name of a database; write lower-case letters, "
			   "digits and _",
			   STR_ARG(str_first(entry->key, 80)));
		return false;
	}
	if (settings_read(&part, 1, entry->value, "a database", &conf->arena, diag) > 0)
		return false;
	settings_defaults(pool_keys, &pool, &conf->arena);
	if (config.pool && settings_read(&pools, 1, config.pool, "pool", &conf->arena, diag) > 0)
		return false;
	db->settings = (struct sql_settings){
		.max = (uint64_t)pool.max,
		.waiters = (uint64_t)pool.waiters,
		.idle_ms = pool.idle_ms,
		.timeout_ms = config.timeout_ms,
		.connect_ms = config.connect_ms,
		.max_rows = (uint64_t)config.max_rows,
		.max_bytes = config.max_bytes,
		.statements = (uint64_t)config.statements,
		.numbers = config.decimals == 1,
	};
	return conf_read_url(db, entry->value, &config, files_root, diag);
}

struct sql_db *sql_db_compile(const struct node_entry *entry, struct sql_db *before,
			      struct str files_root, struct conf *conf, struct diag *diag)
{
	struct sql_db *db = sql_db_create(entry->key);

	if (!conf_read(db, entry, files_root, conf, diag)) {
		sql_db_unref(db);
		return NULL;
	}
	if (before && sql_db_is_same(db, before)) {
		sql_db_unref(db);
		return sql_db_ref(before);
	}
	return db;
}
