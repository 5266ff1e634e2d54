#pragma once

#include "analysis/curvature/hutchinson.h"

namespace switchyard {

struct XTraceOptions {
  int products = 40;  ///< at most, two for each test vector
  /// Stop when the probe's half-width (95 %) is at most this part of |mean|; 0 takes all products.
  double tolerance = 0.0;
  Watch watch = {};
};

/// tr(A) by XTrace (Epperly, Tropp & Webber, "XTrace: making the most of every sample in stochastic
/// trace estimation", 2024): the trace of A on the span of its products with random vectors, and an
/// estimate of the rest from each vector that was left out of that span in turn. The rest is scaled
/// as for a uniform direction of its complement (their section 2.3), which Gaussian vectors are
/// once they are given the length √n.
///
/// Where the spectrum decays its error falls much faster than Hutchinson's 1/√products; where it is
/// flat, half of the products buy nothing. Vectors that span all that A reaches give the trace
/// itself, with an error bar of 0. Keeps one vector per product in memory. The error bars are
/// Hutchinson's; the estimates of the `samples` are exchangeable rather than independent, and their
/// scatter estimates the error well (their section 2.2). Errors: products < 2, a product that is
/// not finite.
TraceEstimate xtrace(SymmetricOperator& a, Generator random, XTraceOptions options = {});

}  // namespace switchyard
