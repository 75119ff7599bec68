/* server/share.h: a share of all, as settings say it: "0.05". */
#pragma once
#include "core/base/str.h"

#define SHARE_ALL (INT64_C(1) << 32)

/* "0.25" to a part of SHARE_ALL; -1: it is no number from 0 to 1. */
int64_t share_read(struct str text);
