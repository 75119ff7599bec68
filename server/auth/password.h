/* server/auth/password.h: passwords as crypt(3) keeps them.
 *
 * bcrypt ($2a$, $2b$, $2y$), sha256-crypt ($5$), sha512-crypt ($6$) and yescrypt ($y$), each at a cost
 * that a login may have. */
#pragma once
#include "core/base/str.h"

enum { PASSWORD_MAX = 256 }; /* bytes of one; sha-crypt takes longer the longer they are */

/* NULL when leat can check passwords by this hash; else why not, and the mend (static). */
const char *password_hash_problem(struct str hash);

/* 1 when it is the password of this hash, 0 when not, -ENOMEM. Both end in NUL. Takes 5 ms to a
 * second of CPU, and 32 KiB of the heap (yescrypt up to 64 MiB): never on a loop. */
int password_check(const char *password, const char *hash);
