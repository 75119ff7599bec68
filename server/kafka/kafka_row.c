/* server/kafka/kafka_row.c */
#include "server/kafka/kafka_row.h"
#include "core/base/memory.h"
#include <errno.h>
#include <stdlib.h>

enum { LEN_NULL = -1 };

/* ------------------------------------------------------------ headers as bytes */

static void write_part(struct str part, struct buf *out)
{
	int32_t len = part.ptr ? (int32_t)part.len : LEN_NULL;

	buf_add(out, (struct str){ (const char *)&len, sizeof(len) });
	if (part.ptr)
		buf_add(out, part);
}

void kafka_headers_write(const struct kafka_message *message, struct buf *out)
{
	for (size_t i = 0; i < message->n_headers; i++) {
		write_part(message->headers[i].name, out);
		write_part(message->headers[i].value, out);
	}
}

/* False: there is no further one, or the bytes are none of ours. */
static bool read_part(struct str *rest, struct str *ret)
{
	int32_t len;

	if (rest->len < sizeof(len))
		return false;
	memcpy(&len, rest->ptr, sizeof(len));
	*rest = str_skip(*rest, sizeof(len));
	*ret = STR_NONE;
	if (len == LEN_NULL)
		return true;
	if (len < 0 || (size_t)len > rest->len)
		return false;
	*ret = len ? str_first(*rest, (size_t)len) : STR("");
	*rest = str_skip(*rest, (size_t)len);
	return true;
}

static size_t read_headers(struct str bytes, struct kafka_header headers[KAFKA_HEADERS_MAX])
{
	size_t n = 0;

	while (n < KAFKA_HEADERS_MAX && read_part(&bytes, &headers[n].name) &&
	       headers[n].name.ptr && read_part(&bytes, &headers[n].value))
		n++;
	return n;
}

/* ------------------------------------------------------------ a row as a block */

static struct str take_text(char **at, struct str text)
{
	char *copy = *at;

	if (!text.ptr)
		return STR_NONE;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	*at += text.len + 1;
	return (struct str){ copy, text.len };
}

static size_t message_room(const struct kafka_message *message)
{
	size_t room = message->topic.len + message->key.len + message->value.len + 3;

	for (size_t i = 0; i < message->n_headers; i++)
		room += message->headers[i].name.len + message->headers[i].value.len + 2;
	return room;
}

static struct kafka_row *row_create(int64_t id, const struct kafka_message *message)
{
	size_t headers_size = message->n_headers * sizeof(struct kafka_header);
	size_t size = sizeof(struct kafka_row) + headers_size + message_room(message);
	struct kafka_row *row = malloc(size);
	struct kafka_header *headers;
	char *at;

	if (!row)
		return NULL;
	memset(row, 0, sizeof(*row));
	headers = (struct kafka_header *)(row + 1);
	at = (char *)headers + headers_size;
	list_init(&row->link);
	row->id = id;
	row->size = size;
	row->message = (struct kafka_message){ .partition = message->partition,
					       .n_headers = message->n_headers,
					       .headers = headers };
	row->message.topic = take_text(&at, message->topic);
	row->message.key = take_text(&at, message->key);
	row->message.value = take_text(&at, message->value);
	for (size_t i = 0; i < message->n_headers; i++) {
		headers[i].name = take_text(&at, message->headers[i].name);
		headers[i].value = take_text(&at, message->headers[i].value);
	}
	return row;
}

void kafka_rows_free(struct list *rows)
{
	struct kafka_row *row;

	list_each(row, rows, struct kafka_row, link) {
		list_remove(&row->link);
		free(row);
	}
}

/* ------------------------------------------------------------ statements */

static struct store_arg arg_or_null(struct str text)
{
	return text.ptr ? store_text(text) : store_null();
}

int kafka_row_put(struct store_db *db, struct str cluster, const struct kafka_message *message,
		  struct str headers)
{
	int64_t r = store_write(
		db,
		"insert into kafka_message (cluster, topic, key, value, headers, partition, dead)"
		" values (?1, ?2, ?3, ?4, ?5, ?6, 0)",
		STORE_ARGS(store_text(cluster), store_text(message->topic),
			   arg_or_null(message->key), arg_or_null(message->value),
			   arg_or_null(headers), store_int(message->partition)));

	return r < 0 ? (int)r : 0;
}

/* A text of SQLite may be empty and not null. */
static struct str column_text(struct sqlite3_stmt *statement, int column)
{
	struct str text;

	if (store_row_is_null(statement, column))
		return STR_NONE;
	text = store_row_text(statement, column);
	return text.len ? text : STR("");
}

static int rows_add(struct sqlite3_stmt *statement, struct list *rows, size_t *size)
{
	struct kafka_header headers[KAFKA_HEADERS_MAX];
	const struct kafka_message message = {
		.topic = column_text(statement, 1),
		.key = column_text(statement, 2),
		.value = column_text(statement, 3),
		.partition = (int32_t)store_row_int(statement, 5),
		.headers = headers,
		.n_headers = read_headers(column_text(statement, 4), headers),
	};
	struct kafka_row *row = row_create(store_row_int(statement, 0), &message);

	if (!row)
		return -ENOMEM;
	list_add(rows, &row->link);
	*size += row->size;
	return 0;
}

int kafka_row_read(struct store_db *db, struct str cluster, int64_t after, struct list *rows)
{
	struct sqlite3_stmt *statement;
	size_t size = 0;
	int r, added = 0;

	kafka_rows_free(rows); /* of an earlier run */
	statement = store_query(
		db,
		"select id, topic, key, value, headers, partition from kafka_message"
		" where cluster = ?1 and id > ?2 and dead = 0 order by id limit ?3",
		STORE_ARGS(store_text(cluster), store_int(after), store_int(KAFKA_ROWS_A_READ)));
	while ((r = store_row(db, statement)) == 1)
		if (added == 0 && size < KAFKA_ROWS_BYTES) /* the rest is read another time */
			added = rows_add(statement, rows, &size);
	return r < 0 ? r : list_is_empty(rows) ? added : 0;
}

static int done(int64_t r)
{
	return r < 0 ? (int)r : 0;
}

int kafka_row_remove(struct store_db *db, int64_t id)
{
	return done(store_write(db, "delete from kafka_message where id = ?1",
				STORE_ARGS(store_int(id))));
}

int kafka_row_bury(struct store_db *db, int64_t id)
{
	return done(store_write(db, "update kafka_message set dead = 1 where id = ?1",
				STORE_ARGS(store_int(id))));
}

int kafka_row_begin(struct store_db *db, struct str cluster, int64_t *ret_n_rows)
{
	int r = done(
		store_write(db, "update kafka_message set dead = 0 where cluster = ?1 and dead = 1",
			    STORE_ARGS(store_text(cluster))));

	if (r == 0)
		*ret_n_rows = store_number(db,
					   "select count(*) from kafka_message where cluster = ?1",
					   STORE_ARGS(store_text(cluster)), 0, &r);
	return r;
}
