/* tests/conf/mend.c: each of YAML's traps, and each error of libyaml, has its own message. */
#include "tests/conf/reading.h"
#include <stdlib.h>

static void dollar_braces_in_flow_style_are_to_be_quoted(void)
{
	says_one("a: {x: ${b}}", "a.yaml:1:8: error: an unquoted ${} inside { } or [ ]; write "
				 "\"${b}\"");
	says_one("a: [${b}]",
		 "a.yaml:1:5: error: an unquoted ${} inside { } or [ ]; write \"${b}\"");
	says_one("a: { to: user-${path.id}, b: 1 }",
		 "a.yaml:1:15: error: an unquoted ${} inside { } or [ ]; write "
		 "\"user-${path.id}\"");
	says_one("a: [/v1/${query.x ?? \"1\"}/y, z]",
		 "a.yaml:1:9: error: an unquoted ${} inside { } or [ ]; write "
		 "'/v1/${query.x ?? \"1\"}/y'");
	says_one("a: {x: \"q\", y: ${b %2}}",
		 "a.yaml:1:16: error: an unquoted ${} inside { } or [ ]; write \"${b %2}\"");
	says_one("a: {x: ${@b}}", "a.yaml:1:8: error: an unquoted ${} inside { } or [ ]; write "
				  "\"${@b}\"");
	says_one("a: [\n  ${a \"b\" 'c'}\n]",
		 "a.yaml:2:3: error: an unquoted ${} inside { } or [ ]; put the text around it in "
		 "quotes");
}

static void stars_are_to_be_quoted(void)
{
	says_one("cron: * * * * *", "a.yaml:1:7: error: an unquoted * begins a YAML alias, and "
				    "nothing above has that name; put the text in quotes: "
				    "\"* * * * *\"");
	says_one("cron: */5 * * * *", "a.yaml:1:7: error: an unquoted * begins a YAML alias, and "
				      "nothing above has that name; put the text in quotes: "
				      "\"*/5 * * * *\"");
	says_one("x:\n- *.yaml", "a.yaml:2:3: error: an unquoted * begins a YAML alias, and "
				 "nothing above has that name; put the text in quotes: \"*.yaml\"");
	says_one("{cron: * * * * *, x: y}",
		 "a.yaml:1:8: error: an unquoted * begins a YAML alias, and nothing above has that "
		 "name; put the text in quotes: \"* * * * *\"");
	says_one("cron: */5 * * * * # often",
		 "a.yaml:1:7: error: an unquoted * begins a YAML alias, and nothing above has that "
		 "name; put the text in quotes: \"*/5 * * * *\"");
	says_one("x: *every", "a.yaml:1:4: error: an unquoted * begins a YAML alias, and nothing "
			      "above has that name; put the text in quotes: \"*every\"");
}

static void negation_is_not_a_tag(void)
{
	says_one("when: !body.ok", "a.yaml:1:7: error: an unquoted ! begins a YAML tag; write not "
				   "body.ok, or put it in quotes: \"!body.ok\"");
	says_one("when: !body.ok && x",
		 "a.yaml:1:7: error: an unquoted ! begins a YAML tag; write not body.ok && x, or "
		 "put it in quotes: \"!body.ok && x\"");
	says_one("when: !(a == \"b\")", "a.yaml:1:7: error: an unquoted ! begins a YAML tag; write "
					"not (a == \"b\"), or put "
					"it in quotes: '!(a == \"b\")'");
	says_one(
		"{when: !len(body.x), y: z}",
		"a.yaml:1:8: error: an unquoted ! begins a YAML tag; write not len(body.x), or put "
		"it in quotes: \"!len(body.x)\"");
	says_one("when: !a!b", "a.yaml:1:7: error: an unquoted ! begins a YAML tag; write not a!b, "
			       "or put it in quotes: \"!a!b\"");
	says_one("a: !!str 5", "a.yaml:1:4: error: an unquoted ! begins a YAML tag, and tags have "
			       "no use here; remove it, or put the text in quotes");
	says_one("a: !x [1]", "a.yaml:1:4: error: an unquoted ! begins a YAML tag; write not x "
			      "[1], or put it in quotes: \"!x [1]\"");
	says_one("when: a != b\nb: \"!c\"\nc: x !d", "");
}

static void comments_that_swallow_are_shown(void)
{
	says_one("a: item #${n}",
		 "a.yaml:1:9: error: a # behind a space begins a comment, so this ${} is not read; "
		 "put the whole text in quotes, or write \"# \" if it is a comment");
	says_one("a: #${n}",
		 "a.yaml:1:4: error: a # behind a space begins a comment, so this ${} is not read; "
		 "put the whole text in quotes, or write \"# \" if it is a comment");
	says_one("a: item #no-${n}",
		 "a.yaml:1:9: warning: a # behind a space begins a comment, so this ${} is not "
		 "read; put the whole text in quotes, or write \"# \" if it is a comment");
	says_one("a: item # not ${n}\nb: x#${n}\nc: \"x #${n}\"\nd: |\n  x #${n}", "");
}

static void tabs_are_refused_as_indentation(void)
{
	says_one("a:\n\tb: 1", "a.yaml:2:1: error: a tab; indent with spaces");
	says_one("a: {\n\tb: 1}", "a.yaml:2:1: error: a tab; indent with spaces");
	says_one("a: b\n\tc", "a.yaml:2:1: error: a tab; indent with spaces");
	says_one("a: |\n\tc", "a.yaml:2:1: error: a tab; indent with spaces");
	says_one("a:\tb\nc:\t{d:\te}\t# f", "");
}

static void merge_keys_and_anchors_on_scalars_are_refused(void)
{
	says_one("a: {b: 1}\n<<: 5", "a.yaml:2:1: error: merge keys (<<) are not read; write the "
				     "keys out, or share tasks by flows:");
	says_one("\"<<\": 5", "");
	says_one("a: &x 5", "a.yaml:1:4: error: an unquoted & begins a YAML anchor, which only "
			    "lists and maps may have here; remove it, or put the text in quotes: "
			    "\"&x 5\"");
	says_one("a: && b", "a.yaml:1:4: error: an unquoted & begins a YAML anchor, which only "
			    "lists and maps may have here; remove it, or put the text in quotes: "
			    "\"&& b\"");
	says_one("&x a: 5", "a.yaml:1:1: error: an unquoted & begins a YAML anchor, which only "
			    "lists and maps may have here; remove it, or put the text in quotes: "
			    "\"&x a: 5\"");
}

static void keys_are_text_and_stand_once(void)
{
	says_one("a: 1\nb: 2\na: 3", "a.yaml:3:1: error: the key \"a\" is given twice, first at "
				     "line 1, column 1; remove one");
	says_one("x: {a: 1, \"a\": 2}",
		 "a.yaml:1:11: error: the key \"a\" is given twice, first at "
		 "line 1, column 5; remove one");
	says_one("? [a]\n: b", "a.yaml:1:3: error: a key is text, not a list; put it in quotes");
	says_one("? {a: b}\n: {c: [d]}\ne: f",
		 "a.yaml:1:3: error: a key is text, not a map; put it in quotes");
	says_one(": x", "a.yaml:1:1: error: no key before the \":\"; write one, or put the text in "
			"quotes");
	says_one("a: {: x}", "a.yaml:1:5: error: no key before the \":\"; write one, or put the "
			     "text in quotes");
	says_one("a: &x [1]\n*x : 2", "a.yaml:2:1: error: a key is text, not an alias; write it "
				      "out, or put it in quotes");
}

static void a_file_holds_one_document(void)
{
	says_one("a: 1\n---\nb: 2", "a.yaml:2:1: error: a second document begins here, and a file "
				    "holds one; put it in a file of its own and include: it");
	says_one("a: 1\n...\n%TAG ! x", "a.yaml:3:1: error: a second document begins here, and a "
					"file holds one; put it in a file of its own and include: "
					"it");
	says_one("[a]\nb: 1", "a.yaml:2:1: error: text goes on behind the end of the document; "
			      "remove it, or check quotes and indentation");
	says_one("%YAML 1.2\n---\na: 1",
		 "a.yaml:1:1: error: a YAML directive (%) has no use here; remove the line");
	says_one("# c\n\n---\na: 1\n...\n# c\n\n...\n", "");
}

static void bytes_that_are_no_text_are_refused(void)
{
	says_one("a: 1\nb: \xe9t\xe9", "a.yaml:2:4: error: byte 0xe9 at line 2, column 4 is not "
				       "UTF-8; save the file as UTF-8");
	says_one("a: \xed\xa0\x80",
		 "a.yaml:1:4: error: byte 0xed at line 1, column 4 is not UTF-8; "
		 "save the file as UTF-8");
	says_one("a: \xf4", "a.yaml:1:4: error: byte 0xf4 at line 1, column 4 is not UTF-8; save "
			    "the file as UTF-8");
	says_one("\xff\xfe"
		 "a",
		 "a.yaml:1:1: error: the file is UTF-16; save it as UTF-8");
	reading_says_one(STR("a: b\n\0c"), "a.yaml:2:1: error: a NUL byte; is this a text file?",
			 __FILE__, __LINE__);
	says_one("a: \"b\\0c\"", "a.yaml:1:4: error: \\0 makes a NUL byte, which no text may have");
	says_one("a: b\rc: d", "a.yaml:1:5: error: a carriage return that ends no line; end lines "
			       "with a line feed");
	says_one("a: \x1b[1m", "a.yaml:1:4: error: a control character; remove it, or write it as "
			       "\"\\x1b\" in double quotes");
	says_one("a: x\xe2\x80\xa8y", "a.yaml:1:5: error: a Unicode line end (U+0085, U+2028 or "
				      "U+2029); write \\N, \\L or \\P in double quotes, or a plain "
				      "line end");
	says_one("a: x\xc2\x85y",
		 "a.yaml:1:5: error: a Unicode line end (U+0085, U+2028 or "
		 "U+2029); write \\N, \\L or \\P in double quotes, or a plain line "
		 "end");
	says_one("a: \xef\xbb\xbfy",
		 "a.yaml:1:4: error: a byte order mark inside the file; remove "
		 "it (it is invisible: delete the characters around it too, and "
		 "write them anew)");
	says_one("a: \xc2\x9b", "a.yaml:1:4: error: a control character; write it as \"\\x9f\" in "
				"double quotes");
	says_one("a: \xef\xbf\xbf", "a.yaml:1:4: error: a code point that is no character; remove "
				    "it");
}

static void syntax_errors_say_what_to_change(void)
{
	says_one("a: b: c", "a.yaml:1:5: error: \": \" in an unquoted text; put the whole text in "
			    "quotes");
	says_one("a: ${x ? 1 : 2}", "a.yaml:1:12: error: \": \" in an unquoted text; put the whole "
				    "text in quotes");
	says_one("a: 1\n  b: 2",
		 "a.yaml:2:4: error: this key follows a text that has not ended; "
		 "check the indentation, and that the line above has a space behind "
		 "its \":\"");
	says_one("a:\n  b: 1\n c: 2", "a.yaml:3:2: error: a key was expected here (key: value); "
				      "check the indentation: the keys of one map begin in one "
				      "column, and an item (- ) is no key");
	says_one("a: \"x\" y", "a.yaml:1:8: error: text goes on behind the closing quote; put the "
			       "whole text in quotes, with '…' around it when it has \" inside");
	says_one("a: 1\n]", "a.yaml:2:1: error: this closes nothing; remove it, or open it before");
	says_one("a: 1\nb\nc: 2",
		 "a.yaml:2:1: error: this line is neither \"key: value\" nor \"- "
		 "item\"; complete it, or check the indentation if it goes on from "
		 "the line above");
	says_one("a: 1\nb:2\nc: 2", "a.yaml:2:1: error: no \": \" behind this key; write a space "
				    "behind the \":\"");
	says_one("a: 1\nb #c: 2\nd: 1", "a.yaml:2:1: error: no \": \" behind this key; a # behind "
					"a space begins a comment: "
					"put the key in quotes when it has one inside");
	says_one("a: - b",
		 "a.yaml:1:4: error: a list item (- ) cannot begin here; put it on a line "
		 "of its own below its key, or put the text in quotes");
	says_one("- a\nb: c",
		 "a.yaml:2:1: error: a list item (- ) was expected here; check the "
		 "indentation: the items of one list begin in one column, and a key is "
		 "no item");
	says_one("a: ? b", "a.yaml:1:4: error: a ? with a space begins a key, and cannot stand "
			   "here; put the text in quotes");
	says_one("a: @x y", "a.yaml:1:4: error: @ cannot begin an unquoted text; put it in quotes: "
			    "\"@x y\"");
	says_one("a: `x`", "a.yaml:1:4: error: ` cannot begin an unquoted text; put it in quotes: "
			   "\"`x`\"");
	says_one("a: %x", "a.yaml:1:4: error: % cannot begin an unquoted text; put it in quotes: "
			  "\"%x\"");
	says_one("a: {b: |\n c}",
		 "a.yaml:1:8: error: a block text (| or >) cannot stand inside { } "
		 "or [ ]; put the text in quotes, or write one key a line");
	says_one("a: | x", "a.yaml:1:6: error: text behind | or >; begin it on the next line, "
			   "indented, or put it in quotes");
	says_one("a: }", "a.yaml:1:4: error: a value was expected here; remove this, or put it in "
			 "quotes if it is text");
}

static void colons_and_percents_at_odd_places_are_told(void)
{
	says_one("a: {b: c:,}", "a.yaml:1:9: error: \":\" in an unquoted text inside { } or [ ]; "
				"put the text in quotes");
	says_one("a: 1\n%x y\n", "a.yaml:2:1: error: a % at the start of a line begins a YAML "
				 "directive, which has no use here; remove the line, or put the "
				 "text in quotes");
	says_one("a: 1\n%%\n", "a.yaml:2:1: error: a % at the start of a line begins a YAML "
			       "directive, which has no use here; remove the line, or put the text "
			       "in quotes");
}

static void what_is_never_closed_is_named_where_it_opens(void)
{
	says_one("a: 1\nb: \"x\nc: 2\n", "a.yaml:2:4: error: the quote that opens here (line 2) is "
					 "never closed; add the missing \"");
	says_one("a: 'it''s\n---\n",
		 "a.yaml:1:4: error: the quote that opens here (line 1) is never "
		 "closed; add the missing '");
	says_one("a: [1,\n 2\n",
		 "a.yaml:1:4: error: the [ that opens here (line 1) is never closed; "
		 "add the missing ]");
	says_one("a: {b: 1\n", "a.yaml:1:4: error: the { that opens here (line 1) is never closed; "
			       "add the missing }");
	says_one("a: [1\nb: 2\n",
		 "a.yaml:2:2: error: a comma or ] is missing before this, for the "
		 "[ of line 1; put texts with , : [ ] { } or quotes inside in quotes "
		 "as a whole");
	says_one("a: {b: c}d}",
		 "a.yaml:1:10: error: a key was expected here (key: value); check the "
		 "indentation: the keys of one map begin in one column, and an item "
		 "(- ) is no key");
	says_one("a: {b: \"c\" d}",
		 "a.yaml:1:12: error: a comma or } is missing before this, for "
		 "the { of line 1; put texts with , : [ ] { } or quotes inside in "
		 "quotes as a whole");
}

static void escapes_are_yamls(void)
{
	says_one("a: \"\\d+\"", "a.yaml:1:5: error: no escape that YAML knows; write \\\\ for a "
				"backslash, or put the text in '…'");
	says_one("a: \"\\xg0\"",
		 "a.yaml:1:7: error: not a character; write \\xNN, \\uNNNN or "
		 "\\UNNNNNNNN with hexadecimal digits, no half of a surrogate pair");
	says_one("a: \"\\ud800\"", "a.yaml:1:7: error: not a character; write \\xNN, \\uNNNN or "
				   "\\UNNNNNNNN with hexadecimal digits, no half of a surrogate "
				   "pair");
}

static void a_long_key_is_told_apart(void)
{
	char text[1200];

	memset(text, 'k', sizeof(text));
	memcpy(text + 1100, ": v", 4);
	says_one(text, "a.yaml:1:1101: error: a key is longer than 1024 characters; make it "
		       "shorter");
}

int main(void)
{
	TEST(dollar_braces_in_flow_style_are_to_be_quoted);
	TEST(stars_are_to_be_quoted);
	TEST(negation_is_not_a_tag);
	TEST(comments_that_swallow_are_shown);
	TEST(tabs_are_refused_as_indentation);
	TEST(merge_keys_and_anchors_on_scalars_are_refused);
	TEST(keys_are_text_and_stand_once);
	TEST(a_file_holds_one_document);
	TEST(bytes_that_are_no_text_are_refused);
	TEST(syntax_errors_say_what_to_change);
	TEST(colons_and_percents_at_odd_places_are_told);
	TEST(what_is_never_closed_is_named_where_it_opens);
	TEST(escapes_are_yamls);
	TEST(a_long_key_is_told_apart);
	return tap_done();
}
