/* server/auth/users.h: who may log in by name and password, and what a browser sends. */
#pragma once
#include "core/base/arena.h"
#include "core/base/diag.h"
#include "core/base/map.h"

enum { USER_NAME_MAX = 255 };

struct user {
	struct str name;
	struct str hash; /* checked (server/auth/password.h); NUL behind it */
};

/* Immutable once filled; everything is in the arena. */
struct users {
	struct arena *arena; /* required */
	struct map by_name;  /* of struct user * */
	struct user **all;
	size_t n_users, n_room;
};

void users_init(struct users *users, struct arena *arena);
void users_fini(struct users *users);

/* Adds a user. What is wrong with it goes to `diag`, without the hash. */
void users_add(struct users *users, struct str name, struct str hash, struct place place,
	       struct diag *diag);

/* Adds those of an htpasswd file: "name:hash" a line; empty ones and those with # are skipped.
 * `place` is that of the file's name. */
void users_read(struct users *users, struct str text, struct str path, struct place place,
		struct diag *diag);

const struct user *users_find(const struct users *users, struct str name); /* or NULL */

/* Whose hash to check in vain when there is no such user, so that the time tells nothing: always
 * the same one for a name. There must be a user. */
const struct user *users_decoy(const struct users *users, struct str name);

/* What stands behind "Basic " (RFC 7617 §2), in the arena, with a NUL behind each. */
struct login {
	struct str user, password;
};

/* 0; -EINVAL when it is no base64 of "user:password", has control characters or is too long;
 * -ENOMEM. */
int login_read(struct str credentials, struct arena *arena, struct login *ret);
