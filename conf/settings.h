/* conf/settings.h: tables of settings, and reading a map by them.
 *
 * Every key of the configuration is one row of a table: key, type, range, default, help. The
 * checks, the JSON Schema, the manual page and the completions all read the rows; nothing is
 * said twice. */
#pragma once
#include "conf/tree.h"
#include "conf/units.h"

enum setting_type {
	SETTING_BOOL,     /* bool */
	SETTING_INT,      /* int64_t, min..max */
	SETTING_DURATION, /* uint64_t milliseconds, min..max */
	SETTING_SIZE,     /* uint64_t bytes, min..max */
	SETTING_CHOICE,   /* int: the index in `choices` */
	SETTING_TEXT,     /* struct str: constant text */
	SETTING_TEXTS,    /* struct setting_texts: a list of constant texts, or one */
	/* The rest store the const struct node *, NULL when absent; their owner reads them. The
	 * type says what may stand there, for the check of the shape and for the schema. */
	SETTING_TEMPLATE,  /* a scalar with ${…} */
	SETTING_CONDITION, /* a scalar: a bare expression or one ${…} */
	SETTING_VALUE,     /* anything with ${…}: scalars, lists, maps */
	SETTING_MAP,       /* a map; its keys are names of the user's */
	SETTING_LIST,      /* a list */
	SETTING_NODE,      /* anything */
};

struct setting_texts {
	struct str *texts;
	const struct node **nodes;
	size_t n_texts;
};

struct setting {
	const char *key;
	enum setting_type type;
	size_t offset;              /* into the target struct */
	const char *value_default;  /* as written in YAML; NULL: leave the target as it is */
	const char *help;           /* one sentence */
	int64_t min, max;           /* both 0: any (from 0 up for durations and sizes); a max of
				     * INT64_MAX, or of 0 with min > 0: from min up */
	const char *const *choices; /* NULL at the end */
	bool required;
	const struct setting
		*keys; /* rows of the map that stands here, for the schema; may be NULL */
	const struct setting *more_keys; /* rows of the same map from another table; or NULL */
};

/* A table ends with a row whose key is NULL. */
#define SETTINGS_END                                                                               \
	{                                                                                          \
		.key = NULL                                                                        \
	}

/* One table and the struct that its rows write to. */
struct settings_part {
	const struct setting *table;
	void *target;
};

/* Fills every target with its defaults. */
void settings_defaults(const struct setting *table, void *target, struct arena *arena);

/* Whether the row takes its own default, which is then in the target: for tables that come from
 * outside. That of leat's own does: settings_defaults() checks it. */
bool settings_default_is_valid(const struct setting *setting, void *target, struct arena *arena,
			       struct diag *diag);

/* Reads `map` by all tables together: a key is looked up in each of the `n_parts`, and one that
 * none has is an error with a suggestion. Defaults are written first. Errors do not stop the
 * reading; a wrong value leaves the default. Returns the number of errors added. `what` names
 * the thing in messages: unknown key "x" in a route. */
size_t settings_read(const struct settings_part *parts, size_t n_parts, const struct node *map,
		     const char *what, struct arena *arena, struct diag *diag);

/* The row of that key, or NULL. */
const struct setting *setting_find(const struct setting *table, struct str key);

/* Reads one value as one type, with the error messages of settings_read(), into target +
 * setting->offset. False when wrong; the target is as it was then. */
bool setting_read_value(const struct setting *setting, const struct node *node, void *target,
			struct arena *arena, struct diag *diag);
