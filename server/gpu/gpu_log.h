/* server/gpu/gpu_log.h: what a compiler of kernels says, as diagnostics with their place. */
#pragma once
#include "core/base/diag.h"

/* Reads the log of a build, in any of the forms that drivers use ("error: FILE:3:5: what",
 * "FILE:3:5: error: what"), into diag; `source` is the file that was built. The number of errors
 * that were found in it: with 0 of them the caller tells that it failed. */
size_t gpu_log_read(struct str log, const struct source *source, struct diag *diag);
