/* server/expr/percent.h: percent-encoding (RFC 3986 §2.1). */
#pragma once
#include "core/base/buf.h"

bool percent_is_unreserved(char c); /* A-Z a-z 0-9 - . _ ~ */
void percent_add(char c, struct buf *out);
void percent_encode(struct str text, struct buf *out); /* all but the unreserved */
