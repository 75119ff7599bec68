/* tests/modules/picture.c: draws a picture of the Mandelbrot set: little goes in, much is computed, a
 * picture comes out. scripts/bench asks what that leaves to others. */
#include <leat.h>
#include <stdio.h>

enum { SIZE_MAX_PIXELS = 2000, STEPS = 255 };

/* How long the point stays near the origin: its shade. */
static unsigned char shade(double x, double y)
{
	double re = 0, im = 0;
	int n = 0;

	for (; n < STEPS && re * re + im * im < 4; n++) {
		double next = re * re - im * im + x;

		im = 2 * re * im + y;
		re = next;
	}
	return (unsigned char)n;
}

/* {size: n} gives n × n pixels, as a portable graymap. */
static void draw(struct leat_call *call)
{
	int64_t size;
	char *picture;
	size_t at;

	if (!leat->integer(leat->member(leat->input(call), "size"), &size) || size < 1 ||
	    size > SIZE_MAX_PIXELS) {
		leat->fail(call, "invalid_input", 0, "size is no number of 1 to %d",
			   SIZE_MAX_PIXELS);
		return;
	}
	picture = leat->alloc(call, (size_t)(size * size) + 64);
	if (!picture)
		return;
	at = (size_t)snprintf(picture, 64, "P5 %d %d %d\n", (int)size, (int)size, STEPS);
	for (int64_t row = 0; row < size; row++) {
		if (leat->is_cancelled(call))
			return;
		for (int64_t col = 0; col < size; col++)
			picture[at++] = (char)shade(3.0 * (double)col / (double)size - 2.25,
						    3.0 * (double)row / (double)size - 1.5);
	}
	leat->result_bytes(call, picture, at);
}

static const struct leat_function functions[] = {
	{ "draw", "A picture of `size` × `size` pixels.", draw, LEAT_IDEMPOTENT },
	LEAT_END,
};

LEAT_MODULE("picture", functions, NULL, NULL, NULL);
