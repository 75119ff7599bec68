/* tests/fuzz/cron.c: any text as a schedule; what is taken must go forward. */
#include "server/jobs/cron.h"
#include "core/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct zone *zone;
	int64_t after = 1700000000;
	struct cron cron;
	struct diag diag;

	if (!zone && zone_load("Europe/Paris", &zone) < 0)
		check(zone_load("UTC", &zone) == 0);
	diag_init(&diag);
	if (cron_parse((struct str){ (const char *)data, size }, (struct place){ 0 }, &diag, &cron))
		for (unsigned i = 0; i < 8 && after != INT64_MAX; i++) {
			int64_t next = cron_next(&cron, zone, after);

			check(next > after);
			after = next;
		}
	else
		check(diag.n_errors > 0);
	diag_fini(&diag);
	return 0;
}
