/* conf/mend.c */
/* long: the sentences for all of libyaml's errors stand side by side */
#include "conf/mend.h"
#include "core/base/check.h"

enum { EXCERPT_MAX = 60, SIMPLE_KEY_MAX = 1024 };

/* What is known about one error. Offsets are SIZE_MAX where libyaml names none. */
struct mend {
	const struct source *source;
	struct diag *diag;
	const char *problem, *context;
	size_t at;      /* where it was noticed */
	size_t from;    /* where that began: the quote, the bracket, the key */
	uint32_t line;  /* of `at` */
	uint32_t since; /* of `from`; 0: none */
	bool in_flow;
};

static char mend_char(const struct source *source, size_t at)
{
	return at < source->text.len ? source->text.ptr[at] : '\0';
}

/* How much of `text` is one text: to a comment; inside { } and [ ] to the , } or ] behind it. */
static size_t mend_text_len(struct str text, bool in_flow)
{
	unsigned depth = 0;
	char quote = '\0';

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (quote) {
			quote = c == quote ? '\0' : quote;
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (strchr("([{", c)) {
			depth++;
		} else if (depth > 0 && strchr(")]}", c)) {
			depth--;
		} else if ((c == '#' && i > 0 && text.ptr[i - 1] == ' ') ||
			   (in_flow && depth == 0 && strchr(",]}", c))) {
			return i;
		}
	}
	return text.len;
}

/* The text that begins at `at`, as it is shown in a message: at most EXCERPT_MAX bytes. */
static struct str mend_excerpt(const struct source *source, size_t at, bool in_flow)
{
	struct str line = scan_line(source->text, at);
	struct str text;
	size_t len;

	if (at > (size_t)(line.ptr + line.len - source->text.ptr))
		return STR_NONE;
	text = str_range(source->text.ptr + at, line.ptr + line.len);
	text = str_trim(str_first(text, mend_text_len(text, in_flow)));
	len = MIN(text.len, (size_t)EXCERPT_MAX);
	while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
		len--;
	return str_first(text, len);
}

/* The quote to put around a text. */
static char mend_quote(struct str text)
{
	return str_has(text, '"') || str_has(text, '\\') ? '\'' : '"';
}

/* ------------------------------------------------------------------ ${} in [ ] and { } */

/* Where an unquoted ${ stands on the line of `at`, before or at it; or SIZE_MAX. */
static size_t mend_find_dollar(const struct source *source, size_t at)
{
	struct str line = scan_line(source->text, at);
	size_t start = (size_t)(line.ptr - source->text.ptr);
	char quote = '\0';

	for (size_t i = start; i + 1 < start + line.len && i <= at; i++) {
		char c = source->text.ptr[i];

		if (quote)
			quote = c == quote ? '\0' : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '$' && source->text.ptr[i + 1] == '{')
			return i;
	}
	return SIZE_MAX;
}

/* The text that a ${ at `at` is in, as far as it can be told: from behind the last , [ { or ": "
 * to before the next , ] or } that is outside ${}. */
static struct str mend_flow_text(const struct source *source, size_t at)
{
	struct str line = scan_line(source->text, at);
	const char *from = source->text.ptr + at, *to = from, *end = line.ptr + line.len;
	unsigned depth = 0;

	while (from > line.ptr && !strchr(",[{", from[-1]) &&
	       !(from[-1] == ' ' && from - 1 > line.ptr && from[-2] == ':'))
		from--;
	for (; to < end && (depth > 0 || !strchr(",]}", *to)); to++) {
		depth += *to == '{';
		depth -= *to == '}';
	}
	return str_trim(str_range(from, to));
}

static bool mend_dollar_in_flow(const struct mend *m)
{
	size_t at = SIZE_MAX;
	struct str text;
	char quote;

	if (m->at > 0 && mend_char(m->source, m->at) == '{' &&
	    m->source->text.ptr[m->at - 1] == '$')
		at = m->at - 1;
	else if (m->in_flow)
		at = mend_find_dollar(m->source, m->at);
	if (at == SIZE_MAX)
		return false;
	text = mend_flow_text(m->source, at);
	quote = mend_quote(text);
	if (text.len > EXCERPT_MAX || (quote == '\'' && str_has(text, '\'')))
		diag_error(m->diag, scan_place_at(m->source, at, 2),
			   "an unquoted ${} inside { } or [ ]; put the text around it in quotes");
	else
		diag_error(m->diag, scan_place_at(m->source, at, 2),
			   "an unquoted ${} inside { } or [ ]; write %c%.*s%c", quote,
			   STR_ARG(text), quote);
	return true;
}

/* ------------------------------------------------------------------ ! & * where a value begins */

/* Where `mark` begins a value or an item on the line of `at`, at or before it; or SIZE_MAX. */
static size_t mend_find_start(const struct source *source, size_t at, char mark)
{
	struct str line = scan_line(source->text, at);
	size_t start = (size_t)(line.ptr - source->text.ptr);
	char before = '\0', blank = ' ',
	     quote = '\0'; /* the last character not blank, and the last */

	for (size_t i = start; i < start + line.len && i <= at; i++) {
		char c = source->text.ptr[i];

		if (quote) {
			quote = c == quote ? '\0' : quote;
		} else if (c == mark && (blank == ' ' || strchr("[{,", blank)) &&
			   (before == '\0' || strchr(":-?,[{", before))) {
			return i;
		} else if ((c == '"' || c == '\'') && strchr(" [{,", blank)) {
			quote = c;
		}
		blank = c == '\t' ? ' ' : c;
		before = blank == ' ' ? before : c;
	}
	return SIZE_MAX;
}

void mend_report_tag(struct place place, size_t at, bool in_flow, struct diag *diag)
{
	struct str text = mend_excerpt(place.source, at, in_flow);
	struct str rest = str_trim(str_skip(text, 1));
	char quote = mend_quote(text);

	if (str_starts_with(rest, STR("!")) || str_starts_with(rest, STR("<")) || rest.len == 0)
		diag_error(diag, place,
			   "an unquoted ! begins a YAML tag, and tags have no use here; remove it, "
			   "or put the text in quotes");
	else
		diag_error(diag, place,
			   "an unquoted ! begins a YAML tag; write not %.*s, or put it in quotes: "
			   "%c%.*s%c",
			   STR_ARG(rest), quote, STR_ARG(text), quote);
}

void mend_report_anchor(struct place place, size_t at, bool in_flow, struct diag *diag)
{
	struct str text = mend_excerpt(place.source, at, in_flow);
	char quote = mend_quote(text);

	diag_error(diag, place,
		   "an unquoted & begins a YAML anchor, which only lists and maps may have here; "
		   "remove it, or put the text in quotes: %c%.*s%c",
		   quote, STR_ARG(text), quote);
}

void mend_report_alias(struct place place, size_t at, bool in_flow, struct diag *diag)
{
	struct str text = mend_excerpt(place.source, at, in_flow);
	char quote = mend_quote(text);

	place.len = (uint32_t)text.len;
	diag_error(diag, place,
		   "an unquoted * begins a YAML alias, and nothing above has that name; put the "
		   "text in quotes: %c%.*s%c",
		   quote, STR_ARG(text), quote);
}

static bool mend_marks(const struct mend *m)
{
	size_t tag = mend_find_start(m->source, m->at, '!');
	bool is_alias = m->context && strstr(m->context, "alias");
	bool is_anchor = m->context && strstr(m->context, "anchor");

	if (tag != SIZE_MAX)
		mend_report_tag(scan_place_at(m->source, tag, 1), tag, m->in_flow, m->diag);
	else if (is_alias)
		mend_report_alias(scan_place_at(m->source, m->from, 1), m->from, m->in_flow,
				  m->diag);
	else if (is_anchor)
		mend_report_anchor(scan_place_at(m->source, m->from, 1), m->from, m->in_flow,
				   m->diag);
	else
		return false;
	return true;
}

/* ------------------------------------------------------------------ comments */

void mend_check_comment(const struct scan *scan, struct diag *diag)
{
	struct str text = scan->source->text;
	size_t at = scan->at, stop;
	struct str word;
	struct place place;

	while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t'))
		at++;
	if (at == scan->at || at == text.len || text.ptr[at] != '#')
		return;
	for (stop = at; stop < text.len && !strchr(" \t\r\n", text.ptr[stop]); stop++)
		;
	word = str_first(str_skip(text, at), stop - at);
	place = (struct place){ scan->source, scan->line, (uint32_t)(at - scan->line_start) + 1,
				(uint32_t)word.len };
	if (str_starts_with(word, STR("#${")))
		diag_error(diag, place,
			   "a # behind a space begins a comment, so this ${} is not read; put the "
			   "whole text in quotes, or write \"# \" if it is a comment");
	else if (str_find(word, STR("${")) >= 0)
		diag_warning(diag, place,
			     "a # behind a space begins a comment, so this ${} is not read; put "
			     "the whole text in quotes, or write \"# \" if it is a comment");
}

/* ------------------------------------------------------------------ the rest */

static void mend_say(const struct mend *m, size_t at, const char *message)
{
	diag_error(m->diag, scan_place_at(m->source, at, 1), "%s", message);
}

/* True when a value began on this line before `at`: then the ": " at `at` is inside a text. */
static bool mend_has_key_before(const struct mend *m)
{
	struct str line = scan_line(m->source->text, m->at);
	struct str before = str_range(line.ptr, m->source->text.ptr + m->at);

	return str_find(before, STR(": ")) >= 0 || str_find(before, STR(":\t")) >= 0;
}

static void mend_colon(const struct mend *m)
{
	struct str line = scan_line(m->source->text, m->at);

	if (m->source->text.ptr + m->at - line.ptr > SIMPLE_KEY_MAX)
		mend_say(m, m->at, "a key is longer than 1024 characters; make it shorter");
	else if (mend_has_key_before(m))
		mend_say(m, m->at, "\": \" in an unquoted text; put the whole text in quotes");
	else
		mend_say(m, m->at,
			 "this key follows a text that has not ended; check the indentation, and "
			 "that the line above has a space behind its \":\"");
}

static void mend_no_token(const struct mend *m)
{
	char c = mend_char(m->source, m->at);
	struct str text = mend_excerpt(m->source, m->at, m->in_flow);
	char quote = mend_quote(text);

	if (c == '\t')
		mend_say(m, m->at, "a tab; indent with spaces");
	else if (c == '|' || c == '>')
		mend_say(m, m->at,
			 "a block text (| or >) cannot stand inside { } or [ ]; put the text in "
			 "quotes, or write one key a line");
	else
		diag_error(m->diag, scan_place_at(m->source, m->at, 1),
			   "%c cannot begin an unquoted text; put it in quotes: %c%.*s%c", c, quote,
			   STR_ARG(text), quote);
}

static void mend_quote_open(const struct mend *m)
{
	char quote = mend_char(m->source, m->from);

	diag_error(m->diag, scan_place_at(m->source, m->from, 1),
		   "the quote that opens here (line %u) is never closed; add the missing %c",
		   m->since, quote);
}

static void mend_flow_open(const struct mend *m)
{
	char open = mend_char(m->source, m->from);
	char close = open == '[' ? ']' : '}';
	bool at_end = m->at >= m->source->text.len ||
		      str_trim_space(str_skip(m->source->text, m->at)).len == 0;

	if (at_end)
		diag_error(m->diag, scan_place_at(m->source, m->from, 1),
			   "the %c that opens here (line %u) is never closed; add the missing %c",
			   open, m->since, close);
	else
		diag_error(m->diag, scan_place_at(m->source, m->at, 1),
			   "a comma or %c is missing before this, for the %c of line %u; put texts "
			   "with , : [ ] { } or quotes inside in quotes as a whole",
			   close, open, m->since);
}

/* True when a closing quote stands before `at` on its line: then text goes on behind it. */
static bool mend_follows_quote(const struct mend *m)
{
	struct str line = scan_line(m->source->text, m->at);
	struct str before = str_trim(str_range(line.ptr, m->source->text.ptr + m->at));

	return str_ends_with(before, STR("\"")) || str_ends_with(before, STR("'"));
}

static void mend_no_key(const struct mend *m)
{
	mend_say(m, m->at, "no key before the \":\"; write one, or put the text in quotes");
}

static void mend_key(const struct mend *m)
{
	char c = mend_char(m->source, m->at);

	if (mend_follows_quote(m))
		mend_say(
			m, m->at,
			"text goes on behind the closing quote; put the whole text in quotes, with "
			"'…' around it when it has \" inside");
	else if (c == ':')
		mend_say(m, m->at, "no key before the \":\"; write one, or put the text in quotes");
	else if (c == ']' || c == '}')
		mend_say(m, m->at, "this closes nothing; remove it, or open it before");
	else
		mend_say(m, m->at,
			 "a key was expected here (key: value); check the indentation: the keys of "
			 "one map begin in one column, and an item (- ) is no key");
}

static void mend_simple_key(const struct mend *m)
{
	struct str line = scan_line(m->source->text, m->from);
	ptrdiff_t colon = str_find_char(line, ':');
	bool has_comment = str_find(line, STR(" #")) >= 0;

	if (has_comment)
		mend_say(m, m->from,
			 "no \": \" behind this key; a # behind a space begins a comment: put the "
			 "key in quotes when it has one inside");
	else if (colon >= 0 && (size_t)colon + 1 < line.len)
		mend_say(m, m->from, "no \": \" behind this key; write a space behind the \":\"");
	else
		mend_say(
			m, m->from,
			"this line is neither \"key: value\" nor \"- item\"; complete it, or check "
			"the indentation if it goes on from the line above");
}

static void mend_item_here(const struct mend *m)
{
	mend_say(
		m, m->at,
		"a list item (- ) cannot begin here; put it on a line of its own below its key, or "
		"put the text in quotes");
}

static void mend_item_missing(const struct mend *m)
{
	mend_say(m, m->at,
		 "a list item (- ) was expected here; check the indentation: the items of one list "
		 "begin in one column, and a key is no item");
}

static void mend_node(const struct mend *m)
{
	if (mend_char(m->source, m->at) == ':')
		mend_no_key(m);
	else
		mend_say(m, m->at,
			 "a value was expected here; remove this, or put it in quotes if it is "
			 "text");
}

static void mend_question(const struct mend *m)
{
	mend_say(m, m->at,
		 "a ? with a space begins a key, and cannot stand here; put the text in quotes");
}

static void mend_tab(const struct mend *m)
{
	mend_say(m, m->at, "a tab; indent with spaces");
}

static void mend_block_head(const struct mend *m)
{
	mend_say(m, m->at,
		 "text behind | or >; begin it on the next line, indented, or put it in quotes");
}

static void mend_escape(const struct mend *m)
{
	mend_say(m, m->at,
		 "no escape that YAML knows; write \\\\ for a backslash, or put the text in '…'");
}

static void mend_escape_code(const struct mend *m)
{
	mend_say(m, m->at,
		 "not a character; write \\xNN, \\uNNNN or \\UNNNNNNNN with hexadecimal digits, no "
		 "half of a surrogate pair");
}

static void mend_goes_on(const struct mend *m)
{
	mend_say(m, m->at,
		 "text goes on behind the end of the document; the file is one map of keys: check "
		 "the indentation, or remove it");
}

static void mend_flow_colon(const struct mend *m)
{
	mend_say(m, m->at, "\":\" in an unquoted text inside { } or [ ]; put the text in quotes");
}

static void mend_directive(const struct mend *m)
{
	mend_say(
		m, m->from,
		"a % at the start of a line begins a YAML directive, which has no use here; remove "
		"the line, or put the text in quotes");
}

struct mend_row {
	const char *problem; /* how it begins */
	const char *context; /* what the context has in it; NULL: any */
	void (*report)(const struct mend *m);
};

/* The first row that fits is taken. */
static const struct mend_row rows[] = {
	{ "mapping values are not allowed", NULL, mend_colon },
	{ "mapping keys are not allowed", NULL, mend_question },
	{ "block sequence entries are not allowed", NULL, mend_item_here },
	{ "found character that cannot start any token", NULL, mend_no_token },
	{ "found unexpected end of stream", "quoted", mend_quote_open },
	{ "found unexpected document indicator", "quoted", mend_quote_open },
	{ "did not find expected ',' or", NULL, mend_flow_open },
	{ "did not find expected key", NULL, mend_key },
	{ "could not find expected ':'", NULL, mend_simple_key },
	{ "did not find expected '-' indicator", NULL, mend_item_missing },
	{ "did not find expected node content", NULL, mend_node },
	{ "did not find expected <document start>", NULL, mend_goes_on },
	{ "found unexpected ':'", "plain", mend_flow_colon },
	{ "", "directive", mend_directive },
	{ "found a tab character", NULL, mend_tab },
	{ "did not find expected comment or line break", "block scalar", mend_block_head },
	{ "found an indentation indicator", "block scalar", mend_block_head },
	{ "found unknown escape character", NULL, mend_escape },
	{ "did not find expected hexdecimal number", NULL, mend_escape_code },
	{ "found invalid Unicode character escape code", NULL, mend_escape_code },
};

static bool mend_row_fits(const struct mend_row *row, const struct mend *m)
{
	return str_starts_with(str_of(m->problem), str_of(row->problem)) &&
	       (!row->context || (m->context && strstr(m->context, row->context)));
}

static void mend_by_table(const struct mend *m)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (mend_row_fits(&rows[i], m)) {
			rows[i].report(m);
			return;
		}
	}
	diag_error(m->diag, scan_place_at(m->source, m->at, 1),
		   "YAML cannot be read here (%s%s%s); put texts with special characters in quotes",
		   m->context ? m->context : "", m->context ? ", it " : "it ", m->problem);
}

void mend_report(const yaml_parser_t *parser, struct scan *scan, bool in_flow, struct diag *diag)
{
	struct mend m = {
		.source = scan->source,
		.diag = diag,
		.problem = parser->problem ? parser->problem : "is out of memory",
		.context = parser->context,
		.in_flow = in_flow || parser->flow_level > 0,
	};

	m.at = scan_seek(scan, parser->problem_mark);
	m.line = scan->line;
	m.from = m.at;
	m.since = m.line;
	if (parser->context) {
		m.from = scan_seek(scan, parser->context_mark);
		m.since = scan->line;
	}
	if (!mend_dollar_in_flow(&m) && !mend_marks(&m))
		mend_by_table(&m);
}
