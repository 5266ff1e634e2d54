#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

// Finds what a compiled kernel asks of a multiprocessor. It is read from the report of ptxas
// (ptxas -v), the part of nvcc that assigns registers, and from the launch bounds in the kernel's
// PTX.

namespace switchyard::kernels::workbench {

/// Describes one kernel for one architecture.
struct KernelResources {
  std::string source = {};        ///< "softmax.cu"
  std::string kernel = {};        ///< "softmax_warp_per_row<SoftmaxForward<float>>"
  std::string architecture = {};  ///< "sm_90"
  int block = 0;                  ///< threads; see kUsualBlock
  bool is_bounded = false;        ///< the block is declared by __launch_bounds__
  bool adds_dynamic = false;  ///< the launch adds dynamic shared memory that is not counted here
  int registers = 0;          ///< a thread
  int stack_bytes = 0;        ///< of local memory a thread: spills, and arrays indexed at run time
  int spill_bytes = 0;        ///< stored and loaded because registers ran out
  int shared_bytes = 0;       ///< a block; dynamic ones too where every launch asks for the same
};

/// Threads of a block where a kernel declares none: what the launchers of kernels/cuda use.
inline constexpr int kUsualBlock = 256;

/// Holds what a kernel's PTX says of its launch.
struct LaunchBounds {
  int threads = 0;  ///< 0: none declared
  bool adds_dynamic = false;
  int dynamic_bytes = 0;  ///< that every launch asks for (kernels/cuda/tile_shared.cuh)
};

/// The kernels in a report of ptxas; `bounds` by mangled name, as launch_bounds() finds them.
std::vector<KernelResources> parse_ptxas_report(std::string_view report, const std::string& source,
                                                const std::map<std::string, LaunchBounds>& bounds);

/// Launch bounds of every kernel whose PTX lies, uncompressed, in the bytes of an object file.
std::map<std::string, LaunchBounds> launch_bounds(std::string_view object);

/// "void (anonymous namespace)::f<float>(float*)" of a mangled name -> "f<float>".
std::string short_kernel_name(const std::string& mangled);

/// Says how many blocks fit a multiprocessor at a time, and what share of its warps they are.
struct Occupancy {
  int blocks = 0;
  double share = 0.0;      ///< of the warps that it can hold, 0 to 1
  std::string limited_by;  ///< "registers", "shared memory", "warps" or "blocks"
};
/// Errors: std::invalid_argument for an architecture other than sm_80 and sm_90.
Occupancy occupancy(const KernelResources& kernel);

}  // namespace switchyard::kernels::workbench
