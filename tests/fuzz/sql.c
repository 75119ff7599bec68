/* tests/fuzz/sql.c: SQL in all dialects: the tokens are the text, and what is made of a query reads
 * the same again; URLs of databases; and values of PostgreSQL. The first byte says what. */
#include "core/base/check.h"
#include "server/expr/json.h"
#include "server/sql/pg_value.h"
#include "server/sql/sql_answer.h"
#include "server/sql/sql_query.h"
#include "server/sql/sql_url.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_tokens(enum sql_dialect dialect, struct str text)
{
	struct sql_lexer lexer;
	struct sql_token token;
	const char *at = text.ptr;

	sql_lexer_init(&lexer, dialect, text);
	while ((token = sql_lexer_next(&lexer)).kind != SQL_TOKEN_END) {
		check(token.text.ptr == at && token.text.len > 0);
		check((token.kind == SQL_TOKEN_BIND) == (token.name.ptr != NULL));
		at += token.text.len;
		if (token.kind == SQL_TOKEN_BAD)
			return;
	}
	check(at == text.ptr + text.len);
}

/* Placeholders stand only where names were: what is made has as many as there are places. */
static void try_query(enum sql_dialect dialect, struct str text)
{
	struct sql_query_error error;
	struct sql_query query;
	struct sql_lexer lexer;
	struct sql_token token;
	struct arena arena;
	size_t n_found = 0;

	arena_init_required(&arena);
	if (sql_query_compile(&arena, dialect, text, &query, &error)) {
		sql_lexer_init(&lexer, dialect, query.text);
		while ((token = sql_lexer_next(&lexer)).kind != SQL_TOKEN_END) {
			check(token.kind != SQL_TOKEN_SEMICOLON && token.kind != SQL_TOKEN_BIND &&
			      token.kind != SQL_TOKEN_BAD);
			n_found += token.kind == SQL_TOKEN_PLACEHOLDER;
		}
		check(n_found >= query.n_places);
		check(dialect != SQL_MYSQL || n_found == query.n_places);
	} else {
		check(error.message[0]);
	}
	arena_fini(&arena);
}

static void try_url(struct str text)
{
	struct sql_address address;
	struct arena arena;
	struct str value;

	arena_init_required(&arena);
	if (sql_url_read_server(text, &arena, &address)) {
		check(!str_has(address.user, '\0') && !str_has(address.password, '\0'));
		sql_url_parameter(address.query, "sslmode", &arena, &value);
	}
	sql_url_read_file(text, &arena, &value);
	arena_fini(&arena);
}

/* Whatever a server says of a type becomes JSON. */
static void try_values(struct str text)
{
	static const unsigned types[] = { 16,   17,   20,   114,  701,  1114,
					  1184, 1700, 1009, 1231, 3807, 1001 };
	struct buf scratch, out;
	struct json_error error;

	buf_init(&scratch, SIZE_MAX);
	buf_init(&out, SIZE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct sql_value value = pg_value(types[i], text, true, &scratch);

		buf_clear(&out);
		sql_value_write(&value, false, &out);
		check(json_check(buf_str(&out), &error));
	}
	buf_fini(&scratch);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;
	struct str text;

	if (size == 0)
		return 0;
	copy = malloc(size);
	check(copy);
	memcpy(copy, data + 1, size - 1);
	text = (struct str){ copy, size - 1 };
	switch (data[0] % 5) {
	case 3:
		try_url(text);
		break;
	case 4:
		try_values(text);
		break;
	default:
		try_tokens((enum sql_dialect)(data[0] % 5), text);
		try_query((enum sql_dialect)(data[0] % 5), text);
	}
	free(copy);
	return 0;
}
