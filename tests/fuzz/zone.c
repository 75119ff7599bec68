/* tests/fuzz/zone.c: any bytes as a zone's file; whatever is taken must answer for any instant. */
#include "server/jobs/zone.h"
#include "core/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t instants[] = { INT64_MIN,  -3000000000, -1,         0,
					    1711846800, 1730000000,  4102444800, INT64_MAX };
	struct zone *zone;

	if (zone_parse("fuzz", (struct str){ (const char *)data, size }, &zone) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(instants); i++) {
		int64_t at = MAX(MIN(instants[i], ZONE_TIME_MAX), -ZONE_TIME_MAX), local_s;
		struct zone_span span = zone_span(zone, at);

		check(span.start <= at && at < span.end);
		local_s = at + span.kind->offset_s;
		check(zone_latest_local(zone, at) >= local_s);
		if (local_s > -ZONE_TIME_MAX && local_s < ZONE_TIME_MAX)
			check(zone_to_unix(zone, local_s) <= at);
	}
	zone_destroy(zone);
	return 0;
}
