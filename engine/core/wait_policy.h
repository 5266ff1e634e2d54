#pragma once

namespace switchyard {

/// Makes worker threads sleep while they wait for one another, so that a busy neighbour on the same
/// cores gets what they do not use. Call it first thing in main() with main()'s arguments: libgomp
/// reads its settings from the environment when it is loaded, so the program sets them and starts
/// itself again, once, in the same process. OMP_WAIT_POLICY or GOMP_SPINCOUNT set by the user stay
/// in force, and nothing is started again. Where the program cannot be found, threads go on to
/// spin.
void share_processor(char** arguments);

}  // namespace switchyard
