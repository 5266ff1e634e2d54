#include "app/nvcc_version.h"

namespace switchyard {

#ifdef SWITCHYARD_NVCC_VERSION
const char* const kNvccVersion = SWITCHYARD_NVCC_VERSION;
#else
const char* const kNvccVersion = "";
#endif

}  // namespace switchyard
