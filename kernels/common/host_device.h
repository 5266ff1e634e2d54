#pragma once

/// Marks a function that host and device code share; nothing where only the host compiles it.
#ifdef __CUDACC__
#define SWITCHYARD_HOST_DEVICE __host__ __device__
#else
#define SWITCHYARD_HOST_DEVICE
#endif
