#pragma once

#include "kernels/xray/program.h"

namespace switchyard::kernels::xray {

/// Puts the blocks of a program into the order in which a warp's lanes shall run, so that "the
/// lanes at the lowest address run first" lets diverged lanes meet again as early as the control
/// flow allows. Blocks are sorted topologically, every loop in one piece with its head first, and
/// several ways back to one head are led through a kJoin at the loop's end. Diamos et al., "SIMD
/// re-convergence at thread frontiers", MICRO 2011; the order of loops within loops is Bourdoncle's
/// weak topological order (1993).
///
/// A compiler's own order does not have this property: it likes to put rare code behind the
/// kernel's end, where the lanes that go there would be the last to run and meet the others
/// nowhere.
void lay_out(Program& program);

}  // namespace switchyard::kernels::xray
