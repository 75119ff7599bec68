/* conf/load.h: from a path to the whole configuration as one tree.
 *
 * Reads the main file and everything that `include:` names (globs, relative to the file that
 * names them, sorted; not recursive past 16 levels). Sections that are maps of names (routes,
 * jobs, http, …) are merged; the same name in two files is an error that shows both places; a
 * section that is not a map of names may stand in one file only, except `listen:` and `modules:`,
 * whose lists are joined.
 *
 * `${env.X}` and `${secret.X}` are resolved by conf_env() and conf_secret(): at load, once. */
#pragma once
#include "conf/tree.h"
#include "core/base/map.h"

struct conf {
	struct arena arena;      /* everything below lives in it */
	struct node *root;       /* the merged tree; NULL when nothing could be read */
	struct source **sources; /* every file that was read */
	size_t n_sources;
	struct str secrets_dir; /* of `secrets: {dir: …}`; empty: none */
	struct map secrets;     /* name to struct str *, as they were asked for */
	bool strict;            /* a missing secret or variable is an error */
	bool checking;          /* `leat check`: without strict, a missing one is a warning */
};

/* 0 when the tree is usable (diag may still have errors), or -EINVAL; diag says all that is wrong,
 * a file that cannot be opened included. Of *conf the caller sets `strict` and `checking` before,
 * and nothing else; conf_fini() is due in any case. With -EINVAL a root may be there, but a file is
 * missing from it, so that what it lacks is no error. `include` is not in the root. */
int conf_load(struct conf *conf, const char *path, struct diag *diag);
void conf_fini(struct conf *conf);

/* The value of an environment variable or a secret. A secret is read from
 * $CREDENTIALS_DIRECTORY/NAME, then from secrets_dir/NAME; one trailing newline is removed.
 * False when it does not exist: the caller reports it with its place by conf_missing(). It is
 * false too when a secret has a name that is none (a slash, a leading dot), is larger than 64
 * KiB, is not UTF-8, or cannot be read: conf_missing() tells which. `kind` is "env" or "secret". */
bool conf_env(struct conf *conf, struct str name, struct str *ret_text);
bool conf_secret(struct conf *conf, struct str name, struct str *ret_text);
void conf_missing(struct conf *conf, struct diag *diag, struct place place, const char *kind,
		  struct str name);

/* Replaces every ${env.NAME} and ${secret.NAME} in the scalars of this part of the tree by what it
 * stands for, once: for settings that are constant (addresses, URLs, limits). A plain or quoted
 * scalar that was one such reference has the type that its value reads as, so that a limit may come
 * from the environment. A ${…} of another kind is left to whoever reads the setting. */
void conf_resolve(struct conf *conf, struct node *node, struct diag *diag);

/* The path of a file that is named in configuration: relative to the file that names it. In the
 * arena. */
struct str conf_path(struct conf *conf, struct place named_at, struct str path);
