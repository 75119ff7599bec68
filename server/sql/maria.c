/* server/sql/maria.c: MariaDB and MySQL, by libmariadb, on threads: each has one connection.
 *
 * A job is interrupted by cutting its socket, which frees its thread at once, and by a KILL on a
 * connection of its own, as the server would go on with what it does. */
#include "server/sql/maria.h"
#include "server/sql/sql_lookup.h"
#include "server/sql/sql_url.h"
#include <arpa/inet.h>
#include <errmsg.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MARIA_PORT = 3306 };

static const char *const maria_parameters[] = { "sslmode", "sslrootcert", "sslcert", "sslkey",
						NULL };

static const char *const maria_sslmodes[] = { "disable", "require", "verify-full", NULL };

/* ------------------------------------------------------------ connecting */

static void maria_init(void)
{
	mysql_library_init(0, NULL, NULL);
}

static unsigned maria_seconds(uint64_t ms)
{
	return (unsigned)MIN((ms + 999) / 1000, UINT64_C(1) << 20);
}

/* True: the certificate must be of a known authority, and name the host. */
static bool maria_set_tls(MYSQL *mysql, const struct sql_address *address, struct arena *arena)
{
	struct str mode = STR("disable"), ca = STR_NONE, cert = STR_NONE, key = STR_NONE;
	my_bool yes = 1, no = 0;
	bool verify;

	sql_url_parameter(address->query, "sslmode", arena, &mode);
	sql_url_parameter(address->query, "sslrootcert", arena, &ca);
	sql_url_parameter(address->query, "sslcert", arena, &cert);
	sql_url_parameter(address->query, "sslkey", arena, &key);
	if (str_eq(mode, STR("disable")))
		return false;
	verify = str_eq(mode, STR("verify-full"));
	mysql_ssl_set(mysql, key.ptr, cert.ptr, ca.ptr, NULL, NULL);
	mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
	mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, verify ? &yes : &no);
	return verify;
}

/* A host that its certificate must name is looked up by the library, which compares that name. */
static bool maria_find_host(const struct sql_address *address, bool verifies, struct sql_job *job,
			    char out[INET6_ADDRSTRLEN], const char **ret_host,
			    const char **ret_socket)
{
	struct net_addr addr;

	*ret_host = *ret_socket = NULL;
	if (address->host.len && address->host.ptr[0] == '/') {
		*ret_socket = address->host.ptr;
		return true;
	}
	*ret_host = address->host.len ? address->host.ptr : "127.0.0.1";
	if (verifies)
		return true;
	if (!sql_lookup(str_of(*ret_host), address->port ? address->port : MARIA_PORT, job, &addr))
		return false;
	if (addr.sa.sa_family == AF_INET)
		*ret_host = inet_ntop(AF_INET, &addr.in4.sin_addr, out, INET6_ADDRSTRLEN);
	else
		*ret_host = inet_ntop(AF_INET6, &addr.in6.sin6_addr, out, INET6_ADDRSTRLEN);
	return true;
}

static void maria_fail_connect(MYSQL *mysql, struct sql_job *job)
{
	bool tls = mysql_errno(mysql) == CR_SSL_CONNECTION_ERROR;

	sql_job_fail(job, tls ? ERROR_TLS_FAILED : ERROR_CONNECT_FAILED, NULL, "%u: %s",
		     mysql_errno(mysql), mysql_error(mysql));
}

static bool maria_log_in(MYSQL *mysql, const struct sql_db *db, struct sql_job *job)
{
	const struct sql_address *address = &db->address;
	unsigned connect_s = maria_seconds(db->settings.connect_ms);
	unsigned read_s = maria_seconds(db->settings.timeout_ms) + 1, none = 0, protocol;
	const char *host, *path;
	char ip[INET6_ADDRSTRLEN];
	struct arena arena;
	bool verifies;

	arena_init_required(&arena);
	mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &read_s);
	mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &read_s);
	mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &none); /* no server asks for files */
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	verifies = maria_set_tls(mysql, address, &arena);
	arena_fini(&arena);
	if (!maria_find_host(address, verifies, job, ip, &host, &path))
		return false;
	protocol = path ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP; /* also for "localhost" */
	mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
	if (mysql_real_connect(mysql, host, address->user.ptr, address->password.ptr,
			       address->database.len ? address->database.ptr : NULL,
			       address->port ? address->port : MARIA_PORT, path, 0))
		return true;
	maria_fail_connect(mysql, job);
	return false;
}

MYSQL *maria_connect(const struct sql_db *db, struct sql_job *job)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	MYSQL *mysql;

	pthread_once(&once, maria_init);
	mysql = mysql_init(NULL);
	if (!mysql)
		sql_job_fail(job, ERROR_MEMORY_LIMIT, NULL, "no memory");
	else if (maria_log_in(mysql, db, job))
		return mysql;
	mysql_close(mysql);
	return NULL;
}

/* What the forms of values rely on; and the server stops what runs for too long by itself. */
static bool maria_set_up(struct maria_session *own, struct sql_job *job)
{
	bool is_mariadb = mariadb_connection(own->mysql);
	uint64_t ms = own->session.db->settings.timeout_ms;
	char text[160];

	snprintf(text, sizeof(text), "set time_zone = '+00:00', %s = %llu%s%03llu",
		 is_mariadb ? "max_statement_time" : "max_execution_time",
		 (unsigned long long)(ms / 1000), is_mariadb ? "." : "",
		 (unsigned long long)(ms % 1000));
	if (mysql_query(own->mysql, text) == 0)
		return true;
	maria_fail_connect(own->mysql, job);
	return false;
}

static void maria_drop(void *owner, void *statement)
{
	(void)owner;
	mysql_stmt_close(statement);
}

/* A socket that is cut first: the library would read all rows that are still to come. */
static void maria_close(struct sql_session *session)
{
	struct maria_session *own = maria_session_of(session);

	if (session->broken)
		shutdown(own->fd, SHUT_RDWR);
	sql_cache_clear(&own->statements);
	mysql_close(own->mysql);
	own->mysql = NULL;
	close(own->fd);
	own->fd = -1;
}

static bool maria_open(struct sql_session *session, struct sql_job *job)
{
	struct maria_session *own = maria_session_of(session);

	sql_cache_init(&own->statements, session->db->settings.statements, maria_drop, NULL);
	own->mysql = maria_connect(session->db, job);
	if (!own->mysql)
		return false;
	own->id = mysql_thread_id(own->mysql);
	own->fd = fcntl(mysql_get_socket(own->mysql), F_DUPFD_CLOEXEC, 0);
	if (own->fd < 0)
		sql_job_fail(job, ERROR_CONNECT_FAILED, NULL, "no more descriptors");
	else if (maria_set_up(own, job))
		return true;
	if (own->fd >= 0) {
		maria_close(session);
	} else {
		mysql_close(own->mysql);
		own->mysql = NULL;
	}
	return false;
}

/* An idle connection says nothing: one that can be read is at its end. */
static bool maria_is_stale(struct sql_session *session)
{
	struct pollfd poll_fd = { .fd = maria_session_of(session)->fd,
				  .events = POLLIN | POLLRDHUP };

	return poll(&poll_fd, 1, 0) != 0;
}

/* ------------------------------------------------------------ interrupting */

struct maria_kill {
	struct sql_db *db; /* held */
	unsigned long id;
};

static void *maria_kill_main(void *arg)
{
	struct maria_kill *kill = arg;
	struct sql_job *job = sql_job_create(NULL, 4096, NULL, 1);
	char text[64];
	MYSQL *mysql;

	if (job) {
		job->deadline_ns = UINT64_MAX;
		mysql = maria_connect(kill->db, job);
		snprintf(text, sizeof(text), "kill %lu", kill->id);
		if (mysql)
			mysql_query(mysql, text);
		mysql_close(mysql);
		sql_job_free(job);
	}
	sql_db_release(kill->db);
	free(kill);
	mysql_thread_end();
	sql_threads_end();
	return NULL;
}

static void maria_interrupt(struct sql_session *session)
{
	struct maria_session *own = maria_session_of(session);
	struct maria_kill *kill;

	if (!session->is_open)
		return;
	shutdown(own->fd, SHUT_RDWR);
	kill = malloc(sizeof(*kill));
	if (!kill)
		return;
	*kill = (struct maria_kill){ session->db, own->id };
	sql_db_hold(kill->db);
	if (sql_threads_start(maria_kill_main, kill) == 0)
		return;
	sql_db_release(kill->db);
	free(kill);
}

/* ------------------------------------------------------------ the driver */

static unsigned maria_lane(const struct sql_job *job)
{
	(void)job;
	return 0;
}

static unsigned maria_lane_max(const struct sql_db *db, unsigned lane)
{
	(void)lane;
	return (unsigned)db->settings.max;
}

const struct sql_driver sql_driver_mysql = {
	.scheme = "mysql",
	.dialect = SQL_MYSQL,
	.is_remote = true,
	.parameters = maria_parameters,
	.sslmodes = maria_sslmodes,
	.submit = sql_threads_submit,
	.leave = sql_threads_leave,
	.stop = sql_threads_stop,
	.session_size = sizeof(struct maria_session),
	.n_lanes = 1,
	.lane = maria_lane,
	.lane_max = maria_lane_max,
	.open = maria_open,
	.run = maria_run,
	.close = maria_close,
	.is_stale = maria_is_stale,
	.interrupt = maria_interrupt,
};
