#pragma once

#include "analysis/moe_bench/problem.h"
#include "kernels/api/kernel.h"

namespace switchyard::moe_bench {

/// What no implementation of the order can avoid: tokens, results, and the matrices of those
/// experts that have tokens, each once, and the products of every slot. Gradients of the matrices
/// count for all experts, since those without tokens get zeros. A Hessian-vector product reads
/// operands and directions and writes a product of the operands' sizes; its flops are 0, since how
/// many it needs depends on what the kept graph holds.
kernels::Work layer_work(const LayerProblem& problem, Order order);

/// Bytes of the matrices and biases of the experts without tokens, which moe_* kernels declare as
/// read all the same (kernels/api/moe.h).
double idle_expert_bytes(const LayerProblem& problem);

}  // namespace switchyard::moe_bench
