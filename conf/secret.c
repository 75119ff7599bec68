/* conf/secret.c: ${env.X} and ${secret.X}.
 *
 * What a secret holds goes to whoever asked for it and nowhere else: no message has it. A secret
 * that cannot be had is remembered with its reason, so that conf_missing() can tell it. */
#include "conf/file.h"
#include "conf/load.h"
#include <errno.h>
#include <stdlib.h>

enum { SECRET_MAX = 64 << 10, NAME_MAX_LEN = 255 };

struct secret {
	struct str text;    /* .ptr is NULL when there is none */
	struct str problem; /* why; empty: there is no such file */
	bool bad_name;
};

bool conf_env(struct conf *conf, struct str name, struct str *ret_text)
{
	struct str copy = arena_str(&conf->arena, name);
	const char *value = name.len > 0 && !str_has(name, '=') ? getenv(copy.ptr) : NULL;

	if (!value || !str_is_utf8(str_of(value)))
		return false;
	*ret_text = arena_str(&conf->arena, str_of(value));
	return true;
}

static bool secret_name_is_good(struct str name)
{
	return name.len > 0 && name.len <= NAME_MAX_LEN && name.ptr[0] != '.' &&
	       !str_has(name, '/') && !str_has(name, '\0');
}

static void secret_take(struct secret *secret, struct str text)
{
	if (str_has(text, '\0') || !str_is_utf8(text)) {
		secret->problem = STR("it is not UTF-8 text; encode it, for example by base64");
		return;
	}
	if (str_ends_with(text, STR("\n")))
		text = str_first(text, text.len - 1);
	secret->text = text;
}

/* False when there is no such file, so that another folder may have it. */
static bool secret_read(struct conf *conf, struct str folder, struct str name,
			struct secret *secret)
{
	struct str path;
	struct file file;
	int error;

	if (folder.len == 0)
		return false;
	path = arena_printf(&conf->arena, "%.*s/%.*s", STR_ARG(folder), STR_ARG(name));
	error = file_read(path.ptr, SECRET_MAX, &conf->arena, &file);
	if (error == -ENOENT || error == -ENOTDIR)
		return false;
	if (!error) {
		secret_take(secret, file.text);
	} else {
		struct str problem = file_problem(error, SECRET_MAX, &conf->arena);

		secret->problem =
			arena_printf(&conf->arena, "%.*s: %.*s", STR_ARG(path), STR_ARG(problem));
	}
	return true;
}

static const struct secret *secret_find(struct conf *conf, struct str name)
{
	struct secret *secret = map_find(&conf->secrets, name);
	struct str credentials = str_of(getenv("CREDENTIALS_DIRECTORY"));

	if (secret)
		return secret;
	secret = arena_zalloc(&conf->arena, sizeof(*secret));
	check(secret);
	if (!secret_name_is_good(name))
		secret->bad_name = true;
	else if (!secret_read(conf, credentials, name, secret))
		secret_read(conf, conf->secrets_dir, name, secret);
	map_set(&conf->secrets, arena_str(&conf->arena, name), secret);
	return secret;
}

bool conf_secret(struct conf *conf, struct str name, struct str *ret_text)
{
	const struct secret *secret = secret_find(conf, name);

	if (!secret->text.ptr)
		return false;
	*ret_text = secret->text;
	return true;
}

static struct str secret_missing(struct conf *conf, struct str name)
{
	const struct secret *secret = secret_find(conf, name);
	struct str folder = conf->secrets_dir;

	if (secret->bad_name)
		return arena_printf(&conf->arena,
				    "\"%.*s\" is no name of a secret; a name has no / and does not "
				    "begin with a dot",
				    STR_ARG(str_first(name, 100)));
	if (secret->problem.len)
		return arena_printf(&conf->arena, "the secret %.*s cannot be read: %.*s",
				    STR_ARG(name), STR_ARG(secret->problem));
	if (folder.len)
		return arena_printf(&conf->arena,
				    "the secret %.*s does not exist; give it by LoadCredential= of "
				    "the service, or write the file %.*s/%.*s",
				    STR_ARG(name), STR_ARG(folder), STR_ARG(name));
	return arena_printf(&conf->arena,
			    "the secret %.*s does not exist; give it by LoadCredential= of the "
			    "service, or name a folder of secrets by secrets: {dir: PATH}",
			    STR_ARG(name));
}

void conf_missing(struct conf *conf, struct diag *diag, struct place place, const char *kind,
		  struct str name)
{
	bool is_secret = strcmp(kind, "secret") == 0;
	struct str message;

	if (is_secret)
		message = secret_missing(conf, name);
	else
		message =
			arena_printf(&conf->arena,
				     "the %s %.*s is not set (or is not UTF-8); set it where leat "
				     "is started, or give a default: env.%.*s ?? \"text\"",
				     strcmp(kind, "env") == 0 ? "environment variable" : kind,
				     STR_ARG(str_first(name, 100)), STR_ARG(str_first(name, 100)));
	if (conf->checking && !conf->strict && !(is_secret && secret_find(conf, name)->bad_name))
		diag_warning(diag, place, "%.*s", STR_ARG(message));
	else
		diag_error(diag, place, "%.*s", STR_ARG(message));
}
