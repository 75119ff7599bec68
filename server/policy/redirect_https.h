/* server/policy/redirect_https.h: the rows of `redirect_https:`. */
#pragma once
#include "conf/settings.h"

extern const struct setting redirect_https_keys[];
