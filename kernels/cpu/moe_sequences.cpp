#include "kernels/common/moe_sequences_form.h"

namespace switchyard::kernels {

template struct MoeSequences<Cpu, float>;
template struct MoeSequences<Cpu, double>;

}  // namespace switchyard::kernels
