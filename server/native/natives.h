/* server/native/natives.h: the section `modules:` of one configuration: what is loaded, and the
 * verbs that tasks may have because of it. */
#pragma once
#include "conf/load.h"
#include "server/native/library.h"
#include "server/verbs/verb.h"

struct actor_section;
struct native_host;

struct natives {
	size_t n_libraries;
	struct library **libraries;  /* each a reference */
	struct place *places;        /* where each is named */
	const char **names;          /* of the modules; NULL at the end */
	struct upstream **upstreams; /* of `http:`, for what modules call by name */
	size_t n_upstreams;
	const struct verb *const *verbs; /* leat's own and the modules'; NULL at the end */
};

/* Loads every module of the section (NULL: none) and makes its verbs, in the conf's arena.
 * `before`: of the generation at work, or NULL. False when there were errors. */
bool natives_load(struct natives *natives, const struct node *section, struct conf *conf,
		  const struct natives *before, struct diag *diag);

/* The configuration is taken into use: calls init() of those that are new. False with errors. */
bool natives_start(const struct natives *natives, const struct native_host *host,
		   struct diag *diag);
void natives_fini(struct natives *natives);

/* Kinds of actors become specs of the section: as many as there are. */
size_t natives_n_kinds(const struct natives *natives);
void natives_declare_actors(const struct natives *natives, struct flow_compiler *compiler,
			    struct actor_section *section);

/* The service of that name, or NULL. */
struct upstream *natives_upstream(const struct natives *natives, struct str name);

/* "module.function". NULL, which was told at the node. */
struct native_target;
bool natives_find(const struct flow_compiler *compiler, const struct node *value,
		  struct native_target *ret_target);
