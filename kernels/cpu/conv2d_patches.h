#pragma once

#include "kernels/api/conv2d.h"

// float64 convolutions, which oneDNN lacks: patches of a block of images are laid out as a matrix
// [OH·OW·images, KH·KW·C] and multiplied with the weights by Eigen. All loops write disjoint rows
// and all sums have a fixed order, so the bits do not depend on the thread count.

namespace switchyard::kernels {

void conv2d_eigen_patches(Cpu&, const Conv2d<double>& a);
void conv2d_eigen_patches(Cpu&, const Conv2dInputGrad<double>& a);
void conv2d_eigen_patches(Cpu&, const Conv2dWeightGrad<double>& a);

}  // namespace switchyard::kernels
