#include "kernels/xray/barrier_option.h"
#include "kernels/xray/decoding.h"

// Barriers and what ends a kernel. Branches and calls are the decoder's (decoder_calls.cpp).

namespace switchyard::kernels::xray {
namespace {

constexpr Type kPredicate{'p', 1};
constexpr Type kWord{'b', 32};

void decode_warp_barrier(Decoding& d) {
  d.expect_operands(1);
  d.in.slot[4] = d.source(0, kWord);
  d.in.flow = Flow::kCollective;
  d.in.kind = Kind::kBarrier;
  d.in.run = [](Warp&, const Instruction&) {};
}

/// bar.sync a {, b}; bar.arrive a, b; bar.red.popc.u32 d, a {, b}, {!}p; bar.red.and.pred p, a,
/// {!}c
void decode_barrier(Decoding& d) {
  if (d.op.has("warp")) return decode_warp_barrier(d);
  if (d.op.has("cluster")) d.not_supported();
  d.in.flow = Flow::kBarrier;
  d.in.kind = Kind::kBarrier;
  d.in.run = [](Warp&, const Instruction&) {};
  std::size_t at = 0;
  std::size_t last = d.operands();
  BarrierOption option = d.op.has("arrive") ? BarrierOption::kArrive : BarrierOption::kSync;
  if (d.op.has("red")) {
    option = d.op.has("popc")  ? BarrierOption::kCount
             : d.op.has("and") ? BarrierOption::kAnd
                               : BarrierOption::kOr;
    d.in.slot[0] = d.destination(0, option == BarrierOption::kCount ? kWord : kPredicate);
    at = 1;
    if (last < 3) d.fail("expected a barrier and a predicate");
    d.in.slot[3] = d.source(--last, kPredicate);
  }
  d.in.option = static_cast<std::uint8_t>(option);
  if (d.op.base == "bar" || d.op.has("aligned")) d.in.count = kAlignedBarrier;
  if (at >= last) d.fail("expected a barrier");
  d.in.slot[1] = d.source(at++, kWord);
  if (at < last) d.in.slot[2] = d.source(at++, kWord);
  if (at < last) d.fail("too many operands");
  if (option == BarrierOption::kArrive && d.in.slot[2] == kNoSlot) {
    d.fail("bar.arrive names the number of threads");
  }
}

}  // namespace

void add_control_opcodes(OpcodeTable& table) {
  table["bar"] = decode_barrier;
  table["barrier"] = decode_barrier;
  table["exit"] = [](Decoding& d) {
    d.in.flow = Flow::kExit;
    d.in.kind = Kind::kControl;
  };
  table["trap"] = [](Decoding& d) {
    d.in.kind = Kind::kControl;
    d.in.run = [](Warp& w, const Instruction& in) {
      fail(w, in, static_cast<std::uint32_t>(__builtin_ctz(w.active)),
           "the kernel stops itself (trap)");
    };
  };
  table["brkpt"] = [](Decoding& d) {
    d.in.kind = Kind::kControl;
    d.in.run = [](Warp&, const Instruction&) {};
  };
}

}  // namespace switchyard::kernels::xray
