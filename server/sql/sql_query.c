/* server/sql/sql_query.c */
#include "server/sql/sql_query.h"
#include "core/base/buf.h"
#include "core/base/map.h"
#include <stdio.h>

struct query_maker {
	struct arena *arena;
	enum sql_dialect dialect;
	struct sql_query *query;
	struct sql_query_error *error;
	struct buf out;
	size_t n_names_room, n_places_room;
	bool ended;       /* by a semicolon */
	struct str first; /* its first word */
	bool changes;     /* it has a word that changes something */
};

__attribute__((format(printf, 3, 4))) static bool query_refuse(struct query_maker *maker,
							       struct str at, const char *format,
							       ...)
{
	va_list args;

	maker->error->at = at;
	va_start(args, format);
	vsnprintf(maker->error->message, sizeof(maker->error->message), format, args);
	va_end(args);
	return false;
}

static bool word_is_in(struct str word, const char *const words[])
{
	for (; *words; words++)
		if (str_eq_nocase(word, str_of(*words)))
			return true;
	return false;
}

/* ------------------------------------------------------------ names */

static void *query_grow(struct arena *arena, void *items, size_t n_items, size_t *n_room,
			size_t size)
{
	void *more;

	if (n_items < *n_room)
		return items;
	*n_room = *n_room ? *n_room * 2 : 8;
	more = arena_alloc_array(arena, *n_room, size);
	if (n_items)
		memcpy(more, items, n_items * size);
	return more;
}

static bool name_is(const struct sql_name *name, const struct sql_token *token)
{
	return str_eq(name->name, token->name) && !name->column.ptr == !token->column.ptr &&
	       str_eq(name->column, token->column);
}

static uint32_t query_name(struct query_maker *maker, const struct sql_token *token)
{
	struct sql_query *query = maker->query;

	for (size_t i = 0; i < query->n_names; i++)
		if (name_is(&query->names[i], token))
			return (uint32_t)i;
	query->names = query_grow(maker->arena, query->names, query->n_names, &maker->n_names_room,
				  sizeof(*query->names));
	query->names[query->n_names] = (struct sql_name){ token->name, token->column, token->text };
	return (uint32_t)query->n_names++;
}

static void query_place(struct query_maker *maker, uint32_t name)
{
	struct sql_query *query = maker->query;

	query->places = query_grow(maker->arena, query->places, query->n_places,
				   &maker->n_places_room, sizeof(*query->places));
	query->places[query->n_places++] = name;
}

/* "x:a" must not become the name "x$1". */
static bool query_ends_in_name(const struct query_maker *maker)
{
	char c = maker->out.len ? maker->out.data[maker->out.len - 1] : ' ';

	return char_is_alpha(c) || char_is_digit(c) || c == '_' || c == '$' ||
	       (unsigned char)c >= 0x80;
}

/* MariaDB's placeholders have no numbers: a name that stands there twice is given twice. */
static bool query_bind(struct query_maker *maker, const struct sql_token *token)
{
	size_t n_before = maker->query->n_names;
	uint32_t name = query_name(maker, token);

	if (maker->query->n_names > SQL_NAMES_MAX || maker->query->n_places > SQL_NAMES_MAX)
		return query_refuse(maker, token->text, "there are more than %d names",
				    SQL_NAMES_MAX);
	if (maker->dialect == SQL_MYSQL || maker->query->n_names > n_before)
		query_place(maker, name);
	if (query_ends_in_name(maker))
		buf_add_char(&maker->out, ' ');
	if (maker->dialect == SQL_MYSQL)
		buf_add_char(&maker->out, '?');
	else
		buf_printf(&maker->out, "%c%u", maker->dialect == SQL_POSTGRES ? '$' : '?',
			   name + 1);
	return true;
}

/* ------------------------------------------------------------ words */

/* What changes the connection, or more than the data. */
static bool query_refuse_first(struct query_maker *maker, struct str word)
{
	static const char *const transaction[] = { "begin", "start",    "commit",
						   "end",   "rollback", "savepoint",
						   "abort", "release",  NULL };
	static const char *const connection[] = {
		"set",       "reset",   "use",     "lock",     "unlock",     "discard",
		"attach",    "detach",  "listen",  "unlisten", "deallocate", "prepare",
		"execute",   "pragma",  "declare", "fetch",    "close",      "handler",
		"copy",      "load",    "kill",    "shutdown", "vacuum",     "change",
		"delimiter", "install", "purge",   "flush",    "xa",         NULL
	};

	if (word_is_in(word, transaction))
		return query_refuse(maker, word,
				    "`%.*s` would change the connection for others; several "
				    "statements that hold together are `transaction:`",
				    STR_ARG(word));
	/* of these, reading ones do no harm, and SQLite's authorizer refuses the rest */
	if (maker->dialect == SQL_SQLITE && str_eq_nocase(word, STR("pragma")))
		return true;
	if (word_is_in(word, connection))
		return query_refuse(maker, word,
				    "`%.*s` would change the connection, which others use, or the "
				    "server",
				    STR_ARG(word));
	return true;
}

static bool query_word(struct query_maker *maker, struct str word)
{
	/* behind a word that reads; `replace` is a function there */
	static const char *const changing[] = {
		"insert", "update", "delete", "merge", "into", NULL
	};

	maker->changes |= word_is_in(word, changing);
	if (maker->first.len)
		return true;
	maker->first = word;
	return query_refuse_first(maker, word);
}

static void query_judge(struct query_maker *maker)
{
	static const char *const reading[] = { "select",   "values", "with",  "explain", "show",
					       "describe", "desc",   "table", NULL };
	static const char *const inserting[] = { "insert", "replace", NULL };

	maker->query->reads = word_is_in(maker->first, reading) && !maker->changes;
	maker->query->inserts = word_is_in(maker->first, inserting);
}

/* ------------------------------------------------------------ the whole */

static bool query_token(struct query_maker *maker, const struct sql_token *token)
{
	if (maker->ended && token->kind != SQL_TOKEN_SPACE && token->kind != SQL_TOKEN_SEMICOLON)
		return query_refuse(maker, str_first(token->text, 20),
				    "there is a second statement; a query is one, several are "
				    "`transaction:`");
	switch (token->kind) {
	case SQL_TOKEN_BIND:
		return query_bind(maker, token);
	case SQL_TOKEN_SEMICOLON:
		maker->ended = true;
		return true;
	case SQL_TOKEN_PLACEHOLDER:
		return query_refuse(maker, token->text,
				    "`%.*s` has no value here; write :name, and the value under "
				    "`args`",
				    STR_ARG(str_first(token->text, 40)));
	case SQL_TOKEN_BAD:
		return query_refuse(maker, token->text, "%s", token->what);
	case SQL_TOKEN_WORD:
		buf_add(&maker->out, token->text);
		return query_word(maker, token->text);
	case SQL_TOKEN_SPACE:
	case SQL_TOKEN_QUOTED:
	case SQL_TOKEN_OTHER:
	case SQL_TOKEN_END:
		buf_add(&maker->out, token->text);
		return true;
	}
	unreachable();
}

static bool query_tokens(struct query_maker *maker, struct str text)
{
	struct sql_lexer lexer;
	struct sql_token token;

	sql_lexer_init(&lexer, maker->dialect, text);
	while ((token = sql_lexer_next(&lexer)).kind != SQL_TOKEN_END)
		if (!query_token(maker, &token))
			return false;
	if (maker->first.len == 0)
		return query_refuse(maker, STR_NONE, "there is no statement in it");
	return true;
}

bool sql_query_compile(struct arena *arena, enum sql_dialect dialect, struct str text,
		       struct sql_query *ret_query, struct sql_query_error *ret_error)
{
	struct sql_query query = { 0 };
	struct query_maker maker = {
		.arena = arena, .dialect = dialect, .query = &query, .error = ret_error
	};
	bool ok;

	*ret_error = (struct sql_query_error){ 0 };
	if (text.len > SQL_QUERY_MAX)
		return query_refuse(&maker, STR_NONE, "it is longer than 1m");
	buf_init(&maker.out, SIZE_MAX);
	ok = query_tokens(&maker, text);
	if (ok) {
		query_judge(&maker);
		query.text = arena_str(arena, str_trim_space(buf_str(&maker.out)));
		query.hash = str_hash(query.text);
		*ret_query = query;
	}
	buf_fini(&maker.out);
	return ok;
}
