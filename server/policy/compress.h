/* server/policy/compress.h: the rows of `compress:`. */
#pragma once
#include "conf/settings.h"

extern const struct setting compress_keys[];
