/* server/expr/expr_lex.c */
#include "server/expr/expr_lex.h"
#include "server/expr/json_scan.h"

static const struct {
	struct str text;
	enum token_kind kind;
} signs[] = {
	{ STR_INIT("??"), TOKEN_COALESCE },
	{ STR_INIT("||"), TOKEN_OR },
	{ STR_INIT("&&"), TOKEN_AND },
	{ STR_INIT("=="), TOKEN_EQUAL },
	{ STR_INIT("!="), TOKEN_DIFFER },
	{ STR_INIT("<="), TOKEN_LESS_EQUAL },
	{ STR_INIT(">="), TOKEN_GREATER_EQUAL },
	{ STR_INIT("<"), TOKEN_LESS },
	{ STR_INIT(">"), TOKEN_GREATER },
	{ STR_INIT("!"), TOKEN_NOT },
	{ STR_INIT("?"), TOKEN_QUESTION },
	{ STR_INIT("+"), TOKEN_PLUS },
	{ STR_INIT("-"), TOKEN_MINUS },
	{ STR_INIT("*"), TOKEN_STAR },
	{ STR_INIT("/"), TOKEN_SLASH },
	{ STR_INIT("%"), TOKEN_PERCENT },
	{ STR_INIT("."), TOKEN_DOT },
	{ STR_INIT(","), TOKEN_COMMA },
	{ STR_INIT(":"), TOKEN_COLON },
	{ STR_INIT("("), TOKEN_OPEN_PAREN },
	{ STR_INIT(")"), TOKEN_CLOSE_PAREN },
	{ STR_INIT("["), TOKEN_OPEN_BRACKET },
	{ STR_INIT("]"), TOKEN_CLOSE_BRACKET },
	{ STR_INIT("{"), TOKEN_OPEN_BRACE },
	{ STR_INIT("}"), TOKEN_CLOSE_BRACE },
};

static const struct {
	struct str text;
	enum token_kind kind;
} words[] = {
	{ STR_INIT("true"), TOKEN_TRUE }, { STR_INIT("false"), TOKEN_FALSE },
	{ STR_INIT("null"), TOKEN_NULL }, { STR_INIT("in"), TOKEN_IN },
	{ STR_INIT("not"), TOKEN_NOT },
};

/* What people write in other languages, and what it is here. */
static const struct {
	struct str text;
	const char *mend;
} mends[] = {
	{ STR_INIT("${"), "the expression has begun already; write the name alone" },
	{ STR_INIT("="), "write \"==\" to compare" },
	{ STR_INIT("&"), "write \"&&\"" },
	{ STR_INIT("|"), "write \"||\"" },
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name_start(char c)
{
	return char_is_alpha(c) || c == '_';
}

static bool is_name(char c)
{
	return is_name_start(c) || char_is_digit(c);
}

/* On one line the column is exact. Behind a line break it is counted in the text itself, whose
 * indentation may be gone. */
struct place lexer_place(const struct lexer *lexer, struct str part)
{
	struct place place = lexer->place;

	for (const char *at = lexer->text.ptr; at < part.ptr; at++) {
		place.col++;
		if (*at != '\n')
			continue;
		place.line++;
		place.col = 1;
	}
	place.len = (uint32_t)MIN(part.len, (size_t)UINT32_MAX);
	return place;
}

static struct token lexer_token(struct lexer *lexer, enum token_kind kind, size_t len)
{
	struct token token = { kind, str_first(str_skip(lexer->text, lexer->at), len), STR_NONE };

	lexer->at += token.text.len;
	lexer->last = kind;
	return token;
}

static struct token lexer_bad(struct lexer *lexer, size_t len, const char *why)
{
	struct token token = lexer_token(lexer, TOKEN_BAD, len);

	diag_error(lexer->compiler->diag, lexer_place(lexer, token.text), "%s", why);
	return token;
}

static struct token lexer_number(struct lexer *lexer, struct str rest)
{
	struct json_scan scan = { .end = rest.ptr + rest.len };
	const char *end = json_scan_number(&scan, rest.ptr);
	size_t len = 0;

	if (end && (end == scan.end || !is_name(*end)))
		return lexer_token(lexer, TOKEN_NUMBER, (size_t)(end - rest.ptr));
	while (len < rest.len && (is_name(rest.ptr[len]) || rest.ptr[len] == '.'))
		len++;
	return lexer_bad(lexer, len, "not a number; write 12, 0.5 or 1e3");
}

static struct token lexer_word(struct lexer *lexer, struct str rest)
{
	size_t len = 0;

	while (len < rest.len && is_name(rest.ptr[len]))
		len++;
	for (size_t i = 0; i < ARRAY_LEN(words) && lexer->last != TOKEN_DOT; i++)
		if (str_eq(str_first(rest, len), words[i].text))
			return lexer_token(lexer, words[i].kind, len);
	return lexer_token(lexer, TOKEN_NAME, len);
}

/* Where the text that starts with a quote ends: behind the closing one; 0 when none closes it. */
static size_t text_len(struct str rest)
{
	for (size_t i = 1; i < rest.len; i++) {
		if (rest.ptr[i] == rest.ptr[0])
			return i + 1;
		if (rest.ptr[i] == '\\')
			i++;
	}
	return 0;
}

/* The escape at the backslash `at`, decoded; 0 when it is none. */
static size_t text_escape(struct str rest, char *out, size_t *len)
{
	struct json_scan scan = { .end = rest.ptr + rest.len };
	struct json_string string;
	char quoted[14];
	size_t n = rest.len >= 2 && rest.ptr[1] == 'u' ? 6 : 2;

	if (rest.len >= 2 && rest.ptr[1] == '\'') {
		*out = '\'';
		*len = 1;
		return 2;
	}
	/* an escape by itself is a JSON string; a pair of surrogates is two */
	for (; n <= 12 && n <= rest.len; n += 6) {
		memcpy(quoted, rest.ptr, n);
		quoted[n] = '"';
		scan = (struct json_scan){ .end = quoted + n + 1 };
		if (!json_scan_string(&scan, quoted, &string) || string.to != quoted + n)
			continue;
		json_decode(&string, out);
		*len = string.len;
		return n;
	}
	return 0;
}

static struct token lexer_text(struct lexer *lexer, struct str rest)
{
	size_t len = text_len(rest), used = 0;
	struct token token;
	char *out;

	if (!len)
		return lexer_bad(lexer, 1, "this text has no closing quote");
	out = arena_alloc(lexer->compiler->arena, len);
	for (size_t i = 1; i < len - 1;) {
		size_t n_out = 1, n_in = 1;

		out[used] = rest.ptr[i];
		if (rest.ptr[i] == '\\')
			n_in = text_escape(str_first(str_skip(rest, i), len - 1 - i), out + used,
					   &n_out);
		if (!n_in) {
			lexer->at += i;
			return lexer_bad(lexer, 2,
					 "not an escape; write \\\\ for a backslash, \\n, \\t, "
					 "\\\", \\' or \\u12ab");
		}
		i += n_in;
		used += n_out;
	}
	token = lexer_token(lexer, TOKEN_TEXT, len);
	token.content = (struct str){ out, used };
	return token;
}

static struct token lexer_sign(struct lexer *lexer, struct str rest)
{
	size_t len = 1;

	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (str_starts_with(rest, signs[i].text))
			return lexer_token(lexer, signs[i].kind, signs[i].text.len);
	for (size_t i = 0; i < ARRAY_LEN(mends); i++)
		if (str_starts_with(rest, mends[i].text))
			return lexer_bad(lexer, mends[i].text.len, mends[i].mend);
	while (len < rest.len && ((unsigned char)rest.ptr[len] & 0xc0) == 0x80)
		len++;
	return lexer_bad(lexer, len, "this character has no meaning in an expression");
}

struct token lexer_next(struct lexer *lexer)
{
	struct str rest;

	while (lexer->at < lexer->text.len && is_space(lexer->text.ptr[lexer->at]))
		lexer->at++;
	rest = str_skip(lexer->text, lexer->at);
	if (rest.len == 0)
		return lexer_token(lexer, TOKEN_END, 0);
	if (rest.ptr[0] == '\'' || rest.ptr[0] == '"')
		return lexer_text(lexer, rest);
	if (is_name_start(rest.ptr[0]))
		return lexer_word(lexer, rest);
	if (char_is_digit(rest.ptr[0]))
		return lexer_number(lexer, rest);
	return lexer_sign(lexer, rest);
}

ptrdiff_t lexer_find_end(struct str text)
{
	size_t n_open = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\'' || text.ptr[i] == '"') {
			size_t len = text_len(str_skip(text, i));

			if (!len)
				return -1;
			i += len - 1;
		} else if (text.ptr[i] == '{') {
			n_open++;
		} else if (text.ptr[i] == '}') {
			if (n_open == 0)
				return (ptrdiff_t)i;
			n_open--;
		}
	}
	return -1;
}
