/* server/auth/users.c */
#include "server/auth/users.h"
#include "core/base/base64.h"
#include "server/auth/password.h"
#include <errno.h>

void users_init(struct users *users, struct arena *arena)
{
	*users = (struct users){ .arena = arena };
	map_init(&users->by_name);
}

void users_fini(struct users *users)
{
	map_fini(&users->by_name);
}

static bool has_controls(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
			return true;
	return false;
}

static const char *user_problem(const struct users *users, struct str name, struct str hash)
{
	if (name.len == 0 || name.len > USER_NAME_MAX || has_controls(name) || str_has(name, ':'))
		return "a name has 1 to 255 bytes, no colon and no control characters";
	if (map_find(&users->by_name, name))
		return "there is another one of that name; remove one";
	return password_hash_problem(hash);
}

static void users_append(struct users *users, struct user *user)
{
	if (users->n_users == users->n_room) {
		size_t n_room = users->n_room ? users->n_room * 2 : 16;
		struct user **all = arena_alloc_array(users->arena, n_room, sizeof(*all));

		if (users->n_users)
			memcpy(all, users->all, users->n_users * sizeof(*all));
		users->all = all;
		users->n_room = n_room;
	}
	users->all[users->n_users++] = user;
	map_set(&users->by_name, user->name, user);
}

/* NULL, or why it was not added. */
static const char *users_try(struct users *users, struct str name, struct str hash)
{
	const char *problem = user_problem(users, name, hash);
	struct user *user;

	if (problem)
		return problem;
	user = arena_alloc(users->arena, sizeof(*user));
	*user = (struct user){ arena_str(users->arena, name), arena_str(users->arena, hash) };
	users_append(users, user);
	return NULL;
}

void users_add(struct users *users, struct str name, struct str hash, struct place place,
	       struct diag *diag)
{
	const char *problem = users_try(users, name, hash);

	if (problem)
		diag_error(diag, place, "user \"%.*s\": %s", STR_ARG(str_first(name, 64)), problem);
}

/* Of a line that has no colon nothing is shown: it may be a password. */
static void users_read_line(struct users *users, struct str line, size_t number, struct str path,
			    struct place place, struct diag *diag)
{
	ptrdiff_t colon = str_find_char(line, ':');
	const char *problem;

	if (line.len == 0 || line.ptr[0] == '#')
		return;
	if (colon < 0) {
		diag_error(diag, place, "%.*s:%zu: it is not name:hash", STR_ARG(path), number);
		return;
	}
	problem =
		users_try(users, str_first(line, (size_t)colon), str_skip(line, (size_t)colon + 1));
	if (problem)
		diag_error(diag, place, "%.*s:%zu: user \"%.*s\": %s", STR_ARG(path), number,
			   STR_ARG(str_first(line, MIN((size_t)colon, (size_t)64))), problem);
}

void users_read(struct users *users, struct str text, struct str path, struct place place,
		struct diag *diag)
{
	struct str rest = text.ptr ? text : STR(""), line;

	for (size_t number = 1; str_next_part(&rest, '\n', &line); number++)
		users_read_line(users, str_trim_space(line), number, path, place, diag);
}

const struct user *users_find(const struct users *users, struct str name)
{
	return map_find(&users->by_name, name);
}

const struct user *users_decoy(const struct users *users, struct str name)
{
	check(users->n_users > 0);
	return users->all[str_hash(name) % users->n_users];
}

int login_read(struct str credentials, struct arena *arena, struct login *ret)
{
	struct str text = credentials;
	ptrdiff_t colon;
	char *out;

	if (!base64_strip_padding(&text) || text.len > (USER_NAME_MAX + PASSWORD_MAX + 2) / 3 * 4)
		return -EINVAL;
	out = arena_alloc(arena, base64_size(text.len) + 1);
	if (!out)
		return -ENOMEM;
	if (!base64_decode(text, BASE64_STANDARD, out))
		return -EINVAL;
	text = (struct str){ out, base64_size(text.len) };
	out[text.len] = '\0';
	colon = str_find_char(text, ':');
	if (colon < 0 || has_controls(text))
		return -EINVAL;
	out[colon] = '\0';
	*ret = (struct login){ str_first(text, (size_t)colon), str_skip(text, (size_t)colon + 1) };
	return ret->user.len <= USER_NAME_MAX && ret->password.len <= PASSWORD_MAX ? 0 : -EINVAL;
}
