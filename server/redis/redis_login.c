/* server/redis/redis_login.c: what is said before the first command. */
#include "server/redis/redis_conn.h"
#include <stdio.h>

static void login_add(struct redis_conn *conn, enum redis_login_step step, const struct str *args,
		      size_t n_args)
{
	conn->login[conn->n_login++] = step;
	buf_printf(&conn->out, "*%zu\r\n", n_args);
	for (size_t i = 0; i < n_args; i++) {
		buf_printf(&conn->out, "$%zu\r\n", args[i].len);
		buf_add(&conn->out, args[i]);
		buf_add(&conn->out, STR("\r\n"));
	}
}

/* The last one has a reply whoever logs in: it proves the connection. */
void redis_login_start(struct redis_conn *conn)
{
	const struct redis *redis = redis_conn_entry(conn);
	const struct redis_login *login = conn->node->is_sentinel ? &redis->sentinel_login
								  : &redis->login;
	const struct str auth[] = { STR("AUTH"), login->user.len ? login->user : login->password,
				    login->password };
	const struct resp_want want = { .arena = &conn->arena, .max = REDIS_SCRATCH };
	char db[24];

	conn->state = REDIS_CONN_LOGIN;
	conn->n_login = conn->login_at = 0;
	if (login->password.len)
		login_add(conn, REDIS_LOGIN_AUTH, auth, login->user.len ? 3 : 2);
	if (redis->db && !conn->node->is_sentinel) {
		snprintf(db, sizeof(db), "%lld", (long long)redis->db);
		login_add(conn, REDIS_LOGIN_SELECT,
			  (const struct str[]){ STR("SELECT"), str_of(db) }, 2);
	}
	if (!conn->node->is_sentinel) {
		login_add(conn, REDIS_LOGIN_MULTI, (const struct str[]){ STR("MULTI") }, 1);
		login_add(conn, REDIS_LOGIN_EXEC, (const struct str[]){ STR("EXEC") }, 1);
	}
	if (redis->mode == REDIS_SENTINEL && !conn->node->is_sentinel)
		login_add(conn, REDIS_LOGIN_ROLE, (const struct str[]){ STR("ROLE") }, 1);
	else
		login_add(conn, REDIS_LOGIN_PING, (const struct str[]){ STR("PING") }, 1);
	resp_begin(&conn->reader, &want);
	if (conn->out.error)
		redis_conn_lost(conn, REDIS_MEMORY, "no memory to log in");
	else
		redis_conn_write(conn);
}

static void conn_be_ready(struct redis_conn *conn)
{
	conn->state = REDIS_CONN_READY;
	timer_stop(&conn->timer);
	arena_fini(&conn->arena);
	conn->node->connected_before = true;
	redis_conn_flush(conn);
}

/* A server that is full says so in front of everything. */
static const char *login_problem(enum redis_login_step step, struct str error, char *text,
				 size_t size)
{
	static const char *const steps[] = {
		[REDIS_LOGIN_AUTH] = "AUTH",   [REDIS_LOGIN_SELECT] = "SELECT",
		[REDIS_LOGIN_MULTI] = "login", [REDIS_LOGIN_EXEC] = "EXEC",
		[REDIS_LOGIN_ROLE] = "ROLE",   [REDIS_LOGIN_PING] = "login"
	};

	if (str_starts_with(error, STR("ERR max number of clients")))
		return "the server has too many clients";
	if (error.len == 0)
		return "it is not the master";
	snprintf(text, size, "%.*s at %s", STR_ARG(redis_error_word(error)), steps[step]);
	return text;
}

/* The role is the first of a list. */
static bool role_is_other(const struct resp_reply *reply)
{
	return reply->status != RESP_OK || reply->value.kind != VALUE_LIST ||
	       reply->value.len == 0 || reply->value.items[0].kind != VALUE_TEXT ||
	       !str_eq(value_str(reply->value.items[0]), STR("master"));
}

/* Who may not ask what proves the connection has proved it all the same. */
static bool login_is_refused(const struct redis_conn *conn, enum redis_login_step step,
			     const struct resp_reply *reply)
{
	struct str word = redis_error_word(reply->error);

	if (reply->status != RESP_ERROR)
		return step == REDIS_LOGIN_ROLE && role_is_other(reply);
	if (step == REDIS_LOGIN_EXEC && conn->no_multi)
		return false;
	return step == REDIS_LOGIN_AUTH || step == REDIS_LOGIN_SELECT ||
	       !(str_eq(word, STR("NOPERM")) || str_eq(word, STR("MASTERDOWN")));
}

/* False: the connection is gone. */
bool redis_login_reply(struct redis_conn *conn)
{
	const struct resp_want want = { .arena = &conn->arena, .max = REDIS_SCRATCH };
	struct resp_reply reply = resp_reply(&conn->reader);
	enum redis_login_step step = conn->login[conn->login_at++];
	char text[REDIS_PROBLEM_MAX];

	if (step == REDIS_LOGIN_MULTI || step == REDIS_LOGIN_EXEC)
		conn->no_multi |= str_starts_with(reply.error, STR("NOPERM"));
	if (login_is_refused(conn, step, &reply)) {
		redis_conn_lost(conn, REDIS_REPLIED,
				login_problem(step, reply.error, text, sizeof(text)));
		return false;
	}
	resp_begin(&conn->reader, &want);
	if (conn->login_at == conn->n_login)
		conn_be_ready(conn);
	return true;
}
