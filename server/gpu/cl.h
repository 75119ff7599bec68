/* server/gpu/cl.h: OpenCL, in the version that every driver has. */
#pragma once
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
