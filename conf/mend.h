/* conf/mend.h: what libyaml found wrong, in the words of somebody who writes configuration.
 *
 * libyaml says what it expected; a user needs to know what to change. The usual causes (DECISIONS
 * 26) are looked for in the text around the place; what is left is translated by a table. */
#pragma once
#include "conf/scan.h"

/* `in_flow`: the place is inside [ ] or { }. */
void mend_report(const yaml_parser_t *parser, struct scan *scan, bool in_flow, struct diag *diag);

/* A tag (!body.ok), an anchor (&x) where it cannot be meant, an alias (*x) that names nothing.
 * `at` is the offset of `place`. */
void mend_report_tag(struct place place, size_t at, bool in_flow, struct diag *diag);
void mend_report_anchor(struct place place, size_t at, bool in_flow, struct diag *diag);
void mend_report_alias(struct place place, size_t at, bool in_flow, struct diag *diag);

/* `scan` is at the end of a plain scalar: a comment behind it may have swallowed a ${}. */
void mend_check_comment(const struct scan *scan, struct diag *diag);
