/* server/http/multipart_head.h: the fields of one part of a multipart/form-data body. */
#pragma once
#include "server/http/multipart.h"

/* Reads multipart->head, which ends in an empty line, and decodes it in place. NULL, or what is
 * wrong. */
const char *multipart_head_read(struct multipart *multipart);
