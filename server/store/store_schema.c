/* server/store/store_schema.c: what is in the file. To change it: a new step at the end, never
 * another text for one that was released. */
#include "server/store/store_db.h"
#include <stdio.h>

static const char *const steps[] = {
	/* 1 */
	"create table meta (key text primary key, value) without rowid;",
	/* 2: jobs; `after` is the last planned time that is done with, in ns of the wall clock */
	"create table job (name text primary key, schedule text not null, paused int not null,"
	" after int not null) without rowid;"
	"create table job_run (job text not null, number int not null, id text not null,"
	" planned int not null, started int not null, ended int not null, retry int not null,"
	" attempt int not null, times int not null, generation int not null, outcome text not null,"
	" error text not null, log text not null, primary key (job, number)) without rowid;",
	/* 3: messages of Kafka that are yet to be sent; `dead`: refused again and again */
	"create table kafka_message (id integer primary key autoincrement, cluster text not null,"
	" topic text not null, key, value, headers, partition int not null, dead int not null);"
	"create index kafka_message_cluster on kafka_message (cluster, id);",
	/* 4: states of actors with `persist: true` */
	"create table actor (name text primary key, state text not null) without rowid;",
	/* 5: what is to be done once; `ord` is when it was to be done at first, `made` when it was
	 * added or, once it is over, ended */
	"create table todo (id integer primary key autoincrement, kind int not null,"
	" target text not null, slot int not null, name text, key text, idem text, ord int not "
	"null,"
	" due int not null, made int not null, args text not null, state int not null,"
	" blocked int not null, starts int not null, tries int not null, pause int not null,"
	" error text);"
	"create unique index todo_name on todo (name) where name is not null and state = 0;"
	"create unique index todo_idem on todo (idem) where idem is not null;"
	"create index todo_key on todo (key, state, ord, id) where key is not null;"
	"create index todo_due on todo (due, id) where state = 0 and blocked = 0;"
	"create index todo_running on todo (id) where state = 1;"
	"create index todo_over on todo (id) where state >= 2;",
	/* 6: todo has messages to actors (kind 2), several of which may have one name */
	"drop index todo_name;"
	"create unique index todo_name on todo (name) where name is not null and state = 0 and "
	"kind "
	"<> 2;"
	"create index todo_send on todo (name) where name is not null and state = 0 and kind = 2;",
	/* 7: todo has requests of routes with `async` (kind 3), in a lane of their own; `token` is what
	 * their clients ask by, `print` what two of one `idem` must have in common, `begun` the last
	 * start, `keep` how long one is known after its end (0: a day), all in ns; n of todo_count
	 * are not over */
	"alter table todo add column lane int not null default 0;"
	"alter table todo add column token text;"
	"alter table todo add column print text;"
	"alter table todo add column begun int not null default 0;"
	"alter table todo add column keep int not null default 0;"
	"alter table todo add column cancelled int not null default 0;"
	"alter table todo add column size int not null default 0;"
	"drop index todo_due;"
	"create index todo_due on todo (lane, due, id) where state = 0 and blocked = 0;"
	"drop index todo_over;"
	"create index todo_over on todo (lane, id, size) where state >= 2;"
	"create unique index todo_token on todo (token) where token is not null;"
	"create index todo_route on todo (target, id) where lane = 1;"
	"create table todo_answer (id integer primary key, status int not null,"
	" fields text not null, body text not null);"
	"create table todo_count (target text primary key, n int not null) without rowid;"
	"create trigger todo_counted after insert on todo when new.lane = 1 begin"
	" insert into todo_count values (new.target, 1) on conflict do update set n = n + 1; end;"
	"create trigger todo_ended after update of state on todo"
	" when new.lane = 1 and old.state < 2 and new.state >= 2 begin"
	" update todo_count set n = n - 1 where target = new.target;"
	" delete from todo_count where target = new.target and n = 0; end;"
	"create trigger todo_gone after delete on todo when old.lane = 1 begin"
	" delete from todo_answer where id = old.id; end;",
};

/* Each step or nothing of it. */
static int store_step(struct store_db *db, size_t version)
{
	char finish[64];
	int r = store_db_exec(db, "begin immediate");

	snprintf(finish, sizeof(finish), "pragma user_version = %zu", version + 1);
	if (r == 0)
		r = store_db_exec(db, steps[version]);
	if (r == 0)
		r = store_db_exec(db, finish);
	if (r == 0)
		r = store_db_exec(db, "commit");
	if (r < 0 && !sqlite3_get_autocommit(db->sqlite))
		store_db_exec(db, "rollback");
	return r;
}

static int store_claim(struct store_db *db)
{
	char text[64];

	snprintf(text, sizeof(text), "pragma application_id = %d", STORE_APPLICATION_ID);
	return store_db_exec(db, text);
}

int store_check_owner(struct store_db *db, const char *path, struct diag *diag)
{
	int r = 0;
	int64_t version, tables, owner;

	version = store_number(db, "pragma user_version", STORE_NO_ARGS, 0, &r);
	tables = store_number(db, "select count(*) from sqlite_schema", STORE_NO_ARGS, 0, NULL);
	owner = store_number(db, "pragma application_id", STORE_NO_ARGS, 0, NULL);
	if (r == 0 && (tables > 0 || owner != 0) && owner != STORE_APPLICATION_ID) {
		diag_error(diag, (struct place){ 0 },
			   "%s is a database of another program; name another file as store.path",
			   path);
		return -1;
	}
	if (r == 0 && version > (int64_t)ARRAY_LEN(steps)) {
		diag_error(
			diag, (struct place){ 0 },
			"the store %s was written by a newer leat (its schema is %lld, this leat "
			"knows %zu); run that leat, or move the file away to begin a new one",
			path, (long long)version, ARRAY_LEN(steps));
		return -1;
	}
	return 0;
}

int store_migrate(struct store_db *db, const char *path, struct diag *diag)
{
	int64_t version;
	int r = 0;

	if (store_check_owner(db, path, diag) < 0)
		return -1;
	version = store_number(db, "pragma user_version", STORE_NO_ARGS, 0, &r);
	if (r == 0 &&
	    store_number(db, "select count(*) from sqlite_schema", STORE_NO_ARGS, 0, NULL) == 0)
		r = store_claim(db);
	for (size_t i = (size_t)MAX(version, 0); r == 0 && i < ARRAY_LEN(steps); i++)
		r = store_step(db, i);
	if (r < 0)
		diag_error(diag, (struct place){ 0 }, "cannot write the schema of the store %s: %s",
			   path, sqlite3_errmsg(db->sqlite));
	return r < 0 ? -1 : 0;
}
