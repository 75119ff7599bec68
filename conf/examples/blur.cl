/* Kernels for gpu.yaml. Each work item makes one pixel. */

/* RGB to shades of grey. */
__kernel void grey(__global const uchar *rgb, __global uchar *out)
{
	size_t i = get_global_id(0);

	out[i] = (uchar)((299 * rgb[3 * i] + 587 * rgb[3 * i + 1] + 114 * rgb[3 * i + 2]) / 1000);
}

/* The mean of the pixels around each one, fewer of them at the edges. */
__kernel void blur(uint width, uint height, int radius, __global const uchar *in, __global uchar *out)
{
	int x = (int)get_global_id(0), y = (int)get_global_id(1), n = 0;
	uint sum = 0;

	for (int dy = -radius; dy <= radius; dy++)
		for (int dx = -radius; dx <= radius; dx++) {
			int at_x = x + dx, at_y = y + dy;

			if (at_x < 0 || at_y < 0 || at_x >= (int)width || at_y >= (int)height)
				continue;
			sum += in[(size_t)at_y * width + (size_t)at_x];
			n++;
		}
	out[(size_t)y * width + (size_t)x] = (uchar)(sum / (uint)n);
}
