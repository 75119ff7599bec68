/* server/gpu/gpu_set.h: the section `gpu:`, and the programs that the tasks of one generation use. */
#pragma once
#include "conf/settings.h"

struct gpu_program;
struct gpu_file;

/* The section `gpu:`. */
struct gpu_limits {
	struct str device; /* empty: the first GPU, or else the first of any kind */
	uint64_t memory;   /* what all calls together may have on a device */
	uint64_t keep;     /* of what they leave, how much stays for the next ones */
	int64_t running, waiting;
	int64_t max_size; /* work items of one call */
};

extern const struct setting gpu_limit_keys[];

struct gpu_set {
	struct gpu_limits limits;
	struct place device_place; /* of the section's `device`; no source: it was not said */
	struct gpu_file *files;    /* that were asked for in this load */
	bool told_none;            /* that there is no device at all */
};

/* Reads the section (NULL: there is none) into the arena. */
void gpu_set_compile(struct gpu_set *set, const struct node *section, struct arena *arena,
		     struct diag *diag);
void gpu_set_fini(struct gpu_set *set);

struct gpu_wanted {
	struct str path, device; /* the device is empty: that of the section */
	struct place path_place, device_place;
};

/* The file built for the device, each once a load. NULL: it cannot be, which was told. The set keeps
 * the program. */
struct gpu_program *gpu_set_open(struct gpu_set *set, const struct gpu_wanted *wanted,
				 struct arena *arena, struct diag *diag);
