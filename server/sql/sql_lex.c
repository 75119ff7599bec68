/* server/sql/sql_lex.c */
#include "server/sql/sql_lex.h"

void sql_lexer_init(struct sql_lexer *lexer, enum sql_dialect dialect, struct str text)
{
	*lexer = (struct sql_lexer){ text, dialect };
}

static bool lex_is_name_start(char c)
{
	return char_is_alpha(c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool lex_is_name(char c)
{
	return lex_is_name_start(c) || char_is_digit(c);
}

static bool lex_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The byte at `at`, or NUL behind the end. */
static char lex_at(struct str text, size_t at)
{
	return at < text.len ? text.ptr[at] : '\0';
}

static size_t lex_run(struct str text, size_t at, bool (*is)(char c))
{
	while (at < text.len && is(text.ptr[at]))
		at++;
	return at;
}

static struct sql_token lex_token(enum sql_token_kind kind, struct str text, size_t len)
{
	return (struct sql_token){ .kind = kind, .text = str_first(text, len) };
}

static struct sql_token lex_bad(struct str text, size_t len, const char *what)
{
	struct sql_token token = lex_token(SQL_TOKEN_BAD, text, len);

	token.what = what;
	return token;
}

/* ------------------------------------------------------------ quotes */

/* What the quote at `at` begins; a doubled quote is one of its bytes. */
static struct sql_token lex_quoted(struct str text, size_t at, char end, bool escapes)
{
	for (size_t i = at + 1; i < text.len; i++) {
		if (escapes && text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == end && end != ']' && lex_at(text, i + 1) == end)
			i++;
		else if (text.ptr[i] == end)
			return lex_token(SQL_TOKEN_QUOTED, text, i + 1);
	}
	return lex_bad(text, at + 1, "this quote has no end");
}

/* $tag$ … $tag$, or $1. */
static struct sql_token lex_dollar(struct str text)
{
	size_t end = lex_is_name_start(lex_at(text, 1)) ? lex_run(text, 1, lex_is_name) : 1;
	struct str tag;
	ptrdiff_t found;

	if (char_is_digit(lex_at(text, 1)))
		return lex_token(SQL_TOKEN_PLACEHOLDER, text, lex_run(text, 1, char_is_digit));
	if (lex_at(text, end) != '$')
		return lex_token(SQL_TOKEN_OTHER, text, 1);
	tag = str_first(text, end + 1);
	found = str_find(str_skip(text, tag.len), tag);
	if (found < 0)
		return lex_bad(text, tag.len, "this quote has no end");
	return lex_token(SQL_TOKEN_QUOTED, text, (size_t)found + 2 * tag.len);
}

/* ------------------------------------------------------------ comments */

static struct sql_token lex_line_comment(struct str text)
{
	ptrdiff_t end = str_find_char(text, '\n');

	return lex_token(SQL_TOKEN_SPACE, text, end < 0 ? text.len : (size_t)end + 1);
}

static struct sql_token lex_block_comment(struct str text, enum sql_dialect dialect)
{
	unsigned depth = 1;

	if (dialect == SQL_MYSQL &&
	    (lex_at(text, 2) == '!' || (lex_at(text, 2) == 'M' && lex_at(text, 3) == '!')))
		return lex_bad(text, 3, "this comment is run by the server as SQL");
	for (size_t i = 2; i + 1 < text.len; i++) {
		if (text.ptr[i] == '*' && text.ptr[i + 1] == '/') {
			i++;
			if (--depth == 0)
				return lex_token(SQL_TOKEN_SPACE, text, i + 1);
		} else if (dialect == SQL_POSTGRES && text.ptr[i] == '/' &&
			   text.ptr[i + 1] == '*') {
			i++;
			depth++;
		}
	}
	return lex_bad(text, 2, "this comment has no end");
}

/* MariaDB takes "--" for a comment only with a space behind it. */
static bool lex_is_dashes(struct str text, enum sql_dialect dialect)
{
	char next = lex_at(text, 2);

	return lex_at(text, 1) == '-' &&
	       (dialect != SQL_MYSQL || text.len == 2 || lex_is_space(next));
}

/* ------------------------------------------------------------ binds */

static struct sql_token lex_colon(struct str text)
{
	struct sql_token token;
	size_t end, column;

	if (lex_at(text, 1) == ':' || lex_at(text, 1) == '=')
		return lex_token(SQL_TOKEN_OTHER, text, 2);
	if (!lex_is_name_start(lex_at(text, 1)))
		return lex_token(SQL_TOKEN_OTHER, text, 1);
	end = lex_run(text, 1, lex_is_name);
	token = lex_token(SQL_TOKEN_BIND, text, end);
	token.name = str_skip(token.text, 1);
	if (lex_at(text, end) != '.' || !lex_is_name_start(lex_at(text, end + 1)))
		return token;
	column = end + 1;
	end = lex_run(text, column, lex_is_name);
	token.text = str_first(text, end);
	token.column = str_skip(token.text, column);
	return token;
}

static struct sql_token lex_at_sign(struct str text, enum sql_dialect dialect)
{
	size_t end;

	if (dialect == SQL_POSTGRES || lex_at(text, 1) == '@')
		return lex_token(SQL_TOKEN_OTHER, text, lex_at(text, 1) == '@' ? 2 : 1);
	end = lex_run(text, 1, lex_is_name);
	return lex_token(SQL_TOKEN_PLACEHOLDER, text, end);
}

/* ------------------------------------------------------------ all together */

static struct sql_token lex_word(struct str text, enum sql_dialect dialect)
{
	char quote = lex_at(text, 1);
	size_t end = 1;

	if (dialect == SQL_POSTGRES && quote == '\'' && char_lower(text.ptr[0]) == 'e')
		return lex_quoted(text, 1, '\'', true);
	while (end < text.len && (lex_is_name(text.ptr[end]) || text.ptr[end] == '$'))
		end++;
	return lex_token(SQL_TOKEN_WORD, text, end);
}

/* 12, 1.5e3, 0x1f: what may follow a digit without being a word or a bind of its own. */
static bool lex_is_number(char c)
{
	return lex_is_name(c) || c == '.';
}

static struct sql_token lex_mark(struct str text, enum sql_dialect dialect)
{
	switch (text.ptr[0]) {
	case '\'':
		return lex_quoted(text, 0, '\'', dialect == SQL_MYSQL);
	case '"':
		return lex_quoted(text, 0, '"', dialect == SQL_MYSQL);
	case ';':
		return lex_token(SQL_TOKEN_SEMICOLON, text, 1);
	case ':':
		return lex_colon(text);
	case '@':
		return lex_at_sign(text, dialect);
	case '?':
		return lex_token(dialect == SQL_POSTGRES ? SQL_TOKEN_OTHER : SQL_TOKEN_PLACEHOLDER,
				 text, 1);
	case '\0':
		return lex_bad(text, 1, "there is a NUL");
	default:
		return lex_token(SQL_TOKEN_OTHER, text, 1);
	}
}

/* Marks that mean something in some dialects only. */
static struct sql_token lex_special(struct str text, enum sql_dialect dialect)
{
	char c = text.ptr[0];

	if (c == '-' && lex_is_dashes(text, dialect))
		return lex_line_comment(text);
	if (c == '/' && lex_at(text, 1) == '*')
		return lex_block_comment(text, dialect);
	if (c == '#' && dialect == SQL_MYSQL)
		return lex_line_comment(text);
	if (c == '`' && dialect != SQL_POSTGRES)
		return lex_quoted(text, 0, '`', false);
	if (c == '[' && dialect == SQL_SQLITE)
		return lex_quoted(text, 0, ']', false);
	if (c == '$' && dialect == SQL_POSTGRES)
		return lex_dollar(text);
	if (c == '$' && dialect == SQL_SQLITE)
		return lex_token(SQL_TOKEN_PLACEHOLDER, text, 1);
	return lex_mark(text, dialect);
}

static struct sql_token lex_any(struct str text, enum sql_dialect dialect)
{
	if (text.len == 0)
		return lex_token(SQL_TOKEN_END, text, 0);
	if (lex_is_space(text.ptr[0]))
		return lex_token(SQL_TOKEN_SPACE, text, lex_run(text, 0, lex_is_space));
	if (char_is_digit(text.ptr[0]))
		return lex_token(SQL_TOKEN_OTHER, text, lex_run(text, 0, lex_is_number));
	if (lex_is_name_start(text.ptr[0]))
		return lex_word(text, dialect);
	return lex_special(text, dialect);
}

struct sql_token sql_lexer_next(struct sql_lexer *lexer)
{
	struct sql_token token = lex_any(lexer->rest, lexer->dialect);

	lexer->rest = str_skip(lexer->rest, token.text.len);
	if (token.kind == SQL_TOKEN_BAD)
		lexer->rest.len = 0;
	return token;
}
